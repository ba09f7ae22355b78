// GLSL of the scene: points, thick segments and arrow heads (both widened on the screen), translucent meshes.

const HEADER = "#version 300 es\nprecision highp float;\n";

export const POINTS = {
  vertex: `${HEADER}
    layout(location = 0) in vec3 position;
    layout(location = 1) in float scalar;
    uniform mat4 model, camera;
    uniform vec3 offset, extent;       // decodes quantised positions; 0 and 1 for float positions
    uniform float size, reference, fog;  // pixels; depth of the camera's target; share of fading
    uniform bool attenuate;
    uniform int mode;                  // 0 one colour, 1 scalar, 2 height
    uniform vec2 heights;
    uniform vec4 colour;
    uniform sampler2D palette;
    out vec4 tint;
    void main() {
      vec4 world = model * vec4(offset + extent * position, 1.0);
      gl_Position = camera * world;
      float depth = max(gl_Position.w, 1e-6);
      gl_PointSize = attenuate ? clamp(size * reference / depth, 1.0, 4.0 * size) : size;
      tint = colour;
      if (mode == 1) tint.rgb = texture(palette, vec2((scalar * 255.0 + 0.5) / 256.0, 0.5)).rgb;
      if (mode == 2) {
        float t = clamp((world.z - heights.x) / (heights.y - heights.x), 0.0, 1.0);
        tint.rgb = texture(palette, vec2(t * 0.99 + 0.005, 0.5)).rgb;
      }
      tint.a = colour.a * (1.0 - fog * clamp(depth / reference - 0.7, 0.0, 1.0));
    }`,
  fragment: `${HEADER}
    uniform vec3 background;
    uniform bool blend;
    in vec4 tint;
    out vec4 result;
    void main() {
      // opaque points fade into the background without blending, so that their order doesn't matter
      result = blend ? vec4(tint.rgb * tint.a, tint.a) : vec4(mix(background, tint.rgb, tint.a), 1.0);
    }`,
};

const WIDEN = `
    vec4 clipped(vec4 inside, vec4 other) {  // pull an end behind the eye to the near plane
      float near = 1e-3;
      if (inside.w >= near) return inside;
      float t = (near - other.w) / (inside.w - other.w);
      return mix(other, inside, t);
    }`;

export const SEGMENTS = {
  vertex: `${HEADER}
    layout(location = 0) in vec2 corner;   // along 0…1, across -1…1
    layout(location = 1) in vec3 start;
    layout(location = 2) in vec3 end;
    uniform mat4 model, camera;
    uniform vec2 viewport;
    uniform float width;
    out float side;                        // pixels from the middle of the line
    ${WIDEN}
    void main() {
      vec4 a = camera * model * vec4(start, 1.0);
      vec4 b = camera * model * vec4(end, 1.0);
      if (a.w < 1e-3 && b.w < 1e-3) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); return; }
      vec4 p = clipped(a, b), q = clipped(b, a);
      vec2 along = (q.xy / q.w - p.xy / p.w) * viewport;
      float size = length(along);
      vec2 across = size > 1e-4 ? vec2(-along.y, along.x) / size : vec2(0.0, 1.0);
      vec4 at = mix(p, q, corner.x);
      side = corner.y * (0.5 * width + 1.0);
      at.xy += across * side * 2.0 / viewport * at.w;
      gl_Position = at;
    }`,
  fragment: `${HEADER}
    uniform vec4 colour;
    uniform float width;
    in float side;
    out vec4 result;
    void main() {
      float alpha = colour.a * clamp(0.5 * width + 0.5 - abs(side), 0.0, 1.0);
      result = vec4(colour.rgb * alpha, alpha);
    }`,
};

export const HEADS = {
  vertex: `${HEADER}
    layout(location = 0) in vec2 corner;   // back from the tip 0…1, across -1…1
    layout(location = 1) in vec3 tip;
    layout(location = 2) in vec3 from;
    uniform mat4 model, camera;
    uniform vec2 viewport;
    uniform float width;
    out vec2 place;
    void main() {
      place = corner;
      vec4 a = camera * model * vec4(tip, 1.0);
      vec4 b = camera * model * vec4(from, 1.0);
      vec2 along = (a.xy / a.w - b.xy / max(b.w, 1e-3)) * viewport;
      float size = length(along);
      if (a.w < 1e-3 || size < 1e-4) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); return; }
      along /= size;
      vec2 shift = 5.0 * width * (0.35 - corner.x) * along + 1.9 * width * corner.y * vec2(-along.y, along.x);
      gl_Position = a + vec4(shift * 2.0 / viewport * a.w, 0.0, 0.0);
    }`,
  fragment: `${HEADER}
    uniform vec4 colour;
    uniform float width;
    in vec2 place;
    out vec4 result;
    void main() {
      float edge = min((place.x - abs(place.y)) * 1.8, (1.0 - place.x) * 5.0) * width;
      float alpha = colour.a * clamp(edge, 0.0, 1.0);
      result = vec4(colour.rgb * alpha, alpha);
    }`,
};

export const MESH = {
  vertex: `${HEADER}
    layout(location = 0) in vec3 position;
    uniform mat4 model, camera;
    void main() { gl_Position = camera * model * vec4(position, 1.0); }`,
  fragment: `${HEADER}
    uniform vec4 colour;
    out vec4 result;
    void main() { result = vec4(colour.rgb * colour.a, colour.a); }`,
};

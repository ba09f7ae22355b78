// GLSL of the surface view: the lit mesh with its contour lines, the rolling balls, lines widened on the screen.

const HEADER = "#version 300 es\nprecision highp float;\n";
/** Contour lines that the shader takes at most. */
export const MOST_LEVELS = 32;

export const SURFACE = {
  vertex: `${HEADER}
    layout(location = 0) in vec3 position;
    layout(location = 1) in vec3 normal;
    layout(location = 2) in float value;   // share of the height, 0…1
    uniform mat4 camera;
    uniform bool flat_;
    uniform float ground;                  // height of the floor
    out vec3 place, facing;
    out float share;
    void main() {
      place = flat_ ? vec3(position.xy, ground) : position;
      facing = normal;
      share = value;
      gl_Position = camera * vec4(place, 1.0);
    }`,
  fragment: `${HEADER}
    uniform sampler2D palette;
    uniform vec3 eye, light;
    uniform float levels[${MOST_LEVELS}];  // shares of the height
    uniform int count;
    uniform float width;                   // of a line [device pixels]
    uniform vec4 ink;                      // lines on the surface; those on the floor have the colour of their height
    uniform bool flat_;
    in vec3 place, facing;
    in float share;
    out vec4 result;
    float onLine() {
      float nearest = 1e9;
      for (int i = 0; i < count; i += 1) nearest = min(nearest, abs(share - levels[i]));
      return clamp(0.5 * width + 0.5 - nearest / max(fwidth(share), 1e-6), 0.0, 1.0);
    }
    void main() {
      float line = onLine();
      vec3 tone = texture(palette, vec2(share * 0.996 + 0.002, 0.5)).rgb;
      if (flat_) { result = vec4(tone * line, line); return; }
      vec3 n = normalize(facing), v = normalize(eye - place);
      float side = dot(n, v) < 0.0 ? -1.0 : 1.0;
      n *= side;
      vec3 sun = vec3(light.xy, side * light.z);  // the underside has one below
      float diffuse = 0.5 + 0.5 * dot(n, sun);
      float shine = pow(max(dot(n, normalize(sun + v)), 0.0), 48.0);
      tone *= (0.68 + 0.4 * diffuse * diffuse) * (side < 0.0 ? 0.9 : 1.0);
      result = vec4(mix(tone + 0.07 * shine, ink.rgb, ink.a * line), 1.0);
    }`,
};

export const BALL = {
  vertex: `${HEADER}
    layout(location = 0) in vec3 position;
    uniform mat4 model, camera;
    out vec3 local, place, facing;
    void main() {
      local = position;
      facing = mat3(model) * position;
      vec4 world = model * vec4(position, 1.0);
      place = world.xyz;
      gl_Position = camera * world;
    }`,
  fragment: `${HEADER}
    uniform vec4 colour;
    uniform vec3 eye, light, outline;
    in vec3 local, place, facing;
    out vec4 result;
    void main() {
      vec3 n = normalize(facing), v = normalize(eye - place);
      float stripe = cos(3.0 * atan(local.y, local.x));
      float soft = max(fwidth(stripe), 1e-3);
      vec3 pale = mix(colour.rgb, vec3(1.0), 0.62);
      vec3 tone = mix(colour.rgb, pale, smoothstep(-soft, soft, stripe));
      float diffuse = 0.5 + 0.5 * dot(n, light);
      float shine = pow(max(dot(n, normalize(light + v)), 0.0), 40.0);
      tone = tone * (0.6 + 0.45 * diffuse) + 0.35 * shine;
      float rim = smoothstep(0.24, 0.42, abs(dot(n, v)));
      result = vec4(mix(outline, tone, rim) * colour.a, colour.a);
    }`,
};

/** Four vertices a segment rather than instances: software renderers draw every instance on its own. */
export const LINES = {
  vertex: `${HEADER}
    layout(location = 0) in vec4 start;    // w: end of the segment 0 or 1
    layout(location = 1) in vec4 end;      // w: side of the line -1 or 1
    uniform mat4 camera;
    uniform vec2 viewport;
    uniform float width;
    out float side;                        // pixels from the middle of the line
    vec4 clipped(vec4 inside, vec4 other) {
      return inside.w >= 1e-3 ? inside : mix(other, inside, (1e-3 - other.w) / (inside.w - other.w));
    }
    void main() {
      vec4 a = camera * vec4(start.xyz, 1.0), b = camera * vec4(end.xyz, 1.0);
      if (a.w < 1e-3 && b.w < 1e-3) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); return; }
      vec4 p = clipped(a, b), q = clipped(b, a);
      vec2 along = (q.xy / q.w - p.xy / p.w) * viewport;
      float size = length(along);
      vec2 across = size > 1e-4 ? vec2(-along.y, along.x) / size : vec2(0.0, 1.0);
      side = end.w * (0.5 * width + 1.0);
      gl_Position = start.w < 0.5 ? p : q;
      gl_Position.xy += across * side * 2.0 / viewport * gl_Position.w;
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

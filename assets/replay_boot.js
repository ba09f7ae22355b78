// Start a page that carries our modules as text: each becomes a blob with an address, imports are rewritten to
// those addresses, then the last one, which needs all others, runs. A file on a disk cannot import its neighbours.
{
  const addresses = new Map();
  for (const node of document.querySelectorAll("script[data-module]")) {
    const source = node.textContent.replace(/"\.\/([\w-]+\.js)"/g, (text, name) => (
      addresses.has(name) ? `"${addresses.get(name)}"` : text
    ));
    const blob = new Blob([source, `\n//# sourceURL=iterscope/${node.dataset.module}`], { type: "text/javascript" });
    addresses.set(node.dataset.module, URL.createObjectURL(blob));
  }
  import([...addresses.values()].at(-1)).catch((error) => {
    const place = document.getElementById("replay-error");
    place.textContent = `The replay could not start: ${error.message}. The words and numbers below are complete.`;
    place.hidden = false;
  });
}

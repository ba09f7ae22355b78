// Names of methods where there is little room.

/**
 * What a method is called in legends, table heads and lists: the code before a colon ("FCN-SR: solution remapping"),
 * or what follows a family's name ("DCReg variant: truncated PCG"). The whole title goes into the title attribute.
 * @param {string} title
 */
export function shortName(title) {
  const at = title.indexOf(": ");
  if (at < 0) return title;
  const [code, rest] = [title.slice(0, at), title.slice(at + 2)];
  return code.includes(" ") ? rest : code;
}

"""Action codes that a script declares, mapped to class, family and generic result."""

from __future__ import annotations

import re

from bot.script.language import BUILT_IN_CODES, CodeDeclaration
from bot.script.nodes import Node, Reader, key_line, optional

GENERIC_RESULTS = (
    "Completed",
    "Busy",
    "NoAnswer",
    "Failed",
    "Cancelled",
    "NoResult",
    "ToContinue",
    "TalkError",
)
CLASSES = ("success", "unsuccessful", "error", "not_counted")
#: Codes that the system alone assigns (VOCABULARY: Default action codes).
SYSTEM_CODES = frozenset(
    {"HUP", "BHU", "BS", "NA", "CU", "CG", "RJ", "OS", "IN", "SC", "VM", "SL", "TR", "ANP", "AHU", "TO", "ER", "XC"}
)
_FAMILY_CLASS = {"BS": "unsuccessful", "NA": "unsuccessful", "CU": "error", "XC": "not_counted"}
_CLASS_FAMILY = {"unsuccessful": "NA", "error": "CU", "not_counted": "XC"}
_CODE = re.compile(r"[A-Za-z0-9_-]{1,32}")
_BUILT_IN = {
    "CB": CodeDeclaration("CB", "Asked to be called back", "success", "ToContinue", "CB"),
    "DNC": CodeDeclaration("DNC", "Wants no more calls", "success", "Completed", "DNC"),
}


def read_codes(reader: Reader, node: Node | None) -> tuple[CodeDeclaration, ...]:
    """The `codes` section, with the built-in codes added."""
    declared = dict(_BUILT_IN)
    if node is not None:
        for code, entry in reader.mapping(node, "codes").items():
            declared[code] = _read_code(reader, code, entry)
    return tuple(declared.values())


def _read_code(reader: Reader, code: str, node: Node) -> CodeDeclaration:
    what = f"code `{code}`"
    if not _CODE.fullmatch(code):
        reader.wrong(key_line(code, node), f"{what} is no action code", "Use up to 32 letters, digits, `_` and `-`")
    if code in SYSTEM_CODES:
        reader.wrong(
            key_line(code, node),
            f"{what} is assigned by the system",
            "Choose another code for what the script finds out",
        )
    entries = reader.mapping(node, what, ("title", "result", "class", "family"))
    default = _BUILT_IN.get(code)
    title = optional(entries, "title")
    result = optional(entries, "result")
    if result is None and default is None:
        reader.wrong(
            key_line(code, node), f"{what} has no result", f"Add `result:` with one of: {', '.join(GENERIC_RESULTS)}"
        )
    code_class, family = _class_and_family(reader, code, entries)
    return CodeDeclaration(
        code=code,
        title=code if title is None else reader.text(title, f"title of {what}"),
        code_class=code_class,
        generic_result="Completed"
        if result is None
        else reader.choice(result, f"result of {what}", GENERIC_RESULTS, "Completed"),
        family=family,
    )


def _class_and_family(reader: Reader, code: str, entries: dict[str, Node]) -> tuple[str, str]:
    """Class and family, which must agree: BS and NA are unsuccessful, CU is error, XC not counted, others success."""
    class_node, family_node = optional(entries, "class"), optional(entries, "family")
    code_class = None if class_node is None else reader.choice(class_node, f"class of `{code}`", CLASSES, "success")
    if family_node is None:
        chosen = code_class or "success"
        return chosen, _CLASS_FAMILY.get(chosen, code)
    family = reader.choice(family_node, f"family of `{code}`", {code, *_FAMILY_CLASS}, code)
    implied = _FAMILY_CLASS.get(family, "success")
    if code_class is not None and code_class != implied:
        reader.wrong(
            family_node,
            f"code `{code}` has class {code_class} and family {family}, which is {implied}",
            "Leave one of them out",
        )
    return implied, family


def settable(codes: tuple[CodeDeclaration, ...]) -> frozenset[str]:
    """Codes that a `code` block may name."""
    return BUILT_IN_CODES | {declaration.code for declaration in codes}

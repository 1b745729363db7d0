"""Tells facts about symbols of a kernel's Kconfig, read by Kconfiglib.

Standard input: {"tree": FOLDER, "config": FILE, "symbols": [{"name": "KVM", "wanted": "y" | "m" | "n" | other | null}]}
Standard output: a list of facts, one for each symbol; KconfigFacts.swift says what is in them.
The environment holds what the kernel's Makefile exports to Kconfig.
"""

import io
import json
import os
import re
import sys

import kconfiglib
from kconfiglib import AND, NOT, OR, STR_TO_TRI, TRI_TO_STR, Choice, Symbol, expr_items, expr_str, expr_value, split_expr

LISTED = 8


class Kernel(kconfiglib.Kconfig):
    """Kconfiglib 14.1 reads Linux 6.12 but for one line: `modules` was `option modules` up to 5.12."""

    def _open(self, filename, mode):
        file = super()._open(filename, mode)
        if not os.path.basename(filename).startswith("Kconfig"):
            return file
        with file:
            return io.StringIO(re.sub(r"(?m)^(\s+)modules[ \t]*$", r"\1option modules", file.read()))


def text(expr):
    """An expression as Kconfig writes it."""
    return expr_str(expr, lambda item: item.name if isinstance(item, Symbol) and item.name else "a choice")


def known(items):
    """The symbols of an expression, without constants and choices, by name."""
    return sorted((i for i in items if isinstance(i, Symbol) and not i.is_constant), key=lambda i: i.name)


def valued(symbols):
    return [{"name": s.name, "value": s.str_value or "n"} for s in symbols]


def prompt_of(sym):
    """The condition of the prompt that is nearest to being shown; None without a prompt."""
    conditions = [node.prompt[1] for node in sym.nodes if node.prompt]
    return max(conditions, key=expr_value, default=None)


def unmet(condition, level):
    """The parts of a condition that are below a level. A choice stands for what it depends on itself."""
    found = {}
    for part in split_expr(condition, AND):
        if isinstance(part, Choice):
            for inner in unmet(prompt_of(part), level) if prompt_of(part) is not None else []:
                found[inner["text"]] = inner
        elif expr_value(part) < level:
            symbols = valued(known(expr_items(part)))
            found[text(part)] = {"text": text(part), "value": TRI_TO_STR[expr_value(part)], "symbols": symbols}
    return list(found.values())


def selectors(sym):
    """Each symbol that may select this one, with the value it selects it to."""
    found = {}
    for part in split_expr(sym.rev_dep, OR):
        chooser = split_expr(part, AND)[0]
        if isinstance(chooser, Symbol) and not chooser.is_constant:
            found[chooser] = max(found.get(chooser, 0), expr_value(part))
    return found


class Remedy:
    """Looks for what else would have to be set, by setting it; the caller loads the configuration again."""

    def __init__(self):
        self.steps = []
        self.trail = set()

    def raise_to(self, sym, level):
        if sym.tri_value >= level:
            return True
        if sym in self.trail or len(self.trail) > 40 or sym.orig_type not in (kconfiglib.BOOL, kconfiglib.TRISTATE):
            return False
        self.trail.add(sym)
        condition = prompt_of(sym)
        if condition is None:
            return any(self.raise_to(s, level) and sym.tri_value >= level for s in list(selectors(sym))[:LISTED])
        if not self.satisfy(condition, level):
            return False
        value = "m" if level == 1 and sym.type == kconfiglib.TRISTATE else "y"
        sym.set_value(value)
        self.steps.append({"name": sym.name, "value": value})
        return sym.tri_value >= level

    def satisfy(self, expr, level):
        if expr_value(expr) >= level:
            return True
        if isinstance(expr, Symbol):
            return not expr.is_constant and self.raise_to(expr, level)
        if not isinstance(expr, tuple):
            return False
        if expr[0] == AND:
            return self.satisfy(expr[1], level) and self.satisfy(expr[2], level) and expr_value(expr) >= level
        if expr[0] == OR:
            return self.satisfy(expr[1], level) or self.satisfy(expr[2], level)
        if expr[0] == NOT and isinstance(expr[1], Symbol) and prompt_of(expr[1]) is not None:
            expr[1].set_value("n")
            self.steps.append({"name": expr[1].name, "value": "n"})
            return expr_value(expr) >= level
        return False


def facts(kernel, config, name, wanted):
    sym = kernel.syms.get(name)
    if sym is None or not sym.nodes:
        return {"name": name, "known": False}
    tristate = sym.orig_type in (kconfiglib.BOOL, kconfiglib.TRISTATE)
    level = STR_TO_TRI.get(wanted, 2) if tristate else 1
    condition = prompt_of(sym)
    found = selectors(sym)
    result = {
        "name": name,
        "known": True,
        "type": kconfiglib.TYPE_TO_STR[sym.orig_type],
        "value": sym.str_value if sym.orig_type != kconfiglib.STRING else '"%s"' % sym.str_value,
        "prompt": condition is not None,
        "unmet": unmet(sym.direct_dep if condition is None else condition, level) if level else [],
        "selecting": valued(sorted((s for s in found if found[s]), key=lambda s: s.name)[:LISTED]),
        "selectors": valued(sorted((s for s in found if not found[s]), key=lambda s: s.name)[:LISTED]),
        "defined": ["%s:%d" % (node.filename, node.linenr) for node in sym.nodes],
    }
    if sym.choice and sym.choice.selection and sym.choice.selection is not sym:
        result["chosen"] = sym.choice.selection.name
    for low, high, when in sym.ranges:
        if expr_value(when):
            result["range"] = [low.str_value, high.str_value]
            break
    if tristate and sym.tri_value < level:
        remedy = Remedy()
        if remedy.raise_to(sym, level if sym.orig_type == kconfiglib.TRISTATE else 2):
            result["remedy"] = [step for step in remedy.steps if step["name"] != name]
        kernel.load_config(config)
    return result


def main():
    request = json.load(sys.stdin)
    os.environ["srctree"] = request["tree"]
    kernel = Kernel(os.path.join(request["tree"], "Kconfig"), warn_to_stderr=False)
    kernel.load_config(request["config"])
    answers = [facts(kernel, request["config"], s["name"], s.get("wanted")) for s in request["symbols"]]
    json.dump(answers, sys.stdout, sort_keys=True)


main()

#!/usr/bin/env python3
"""Turn grammar.y into grammar_tables.{h,c}: bison computes the LALR(1) automaton, this prints it as C.

Run it after a change of grammar.y; both results are in the tree, so that a build needs neither bison nor Python.
A state's row lists (token, action) pairs: action > 0 shifts to state action - 1, action < 0 reduces by rule -action;
where no pair fits, the default reduction applies, and where there is none (0) the token is a syntax error.
"""
import os
import re
import subprocess
import tempfile
import xml.etree.ElementTree as ET

here = os.path.dirname(os.path.abspath(__file__))
source = open(os.path.join(here, "grammar.y")).read()
tokens = re.findall(r'^%token (\w+) "(.*)"$', source, re.M)
actions = re.findall(r"\{ (\w+) \}", source.split("%%")[1])
with tempfile.TemporaryDirectory() as tmp:
    path = os.path.join(tmp, "g.y")
    plain = re.sub(r'^(%token \w+) ".*"$', r"\1", source, flags=re.M)
    open(path, "w").write(re.sub(r"\{ \w+ \}", "", plain))
    subprocess.run(["bison", "-Wno-conflicts-sr", "-Wno-conflicts-rr", "-Wno-empty-rule",
                    "--xml=" + path + ".xml", "-o", path + ".c", path], check=True)
    automaton = ET.parse(path + ".xml").getroot()

numbers = {"$end": 0, **{name: i + 1 for i, (name, _) in enumerate(tokens)}}
nonterminals, rules = [], [("root", 0, "accept")]
for rule in automaton.find("grammar/rules"):
    number = int(rule.get("number"))
    if number == 0:
        continue
    left = rule.find("lhs").text
    if left not in nonterminals:
        nonterminals.append(left)
    rules.append((left, len(rule.findall("rhs/symbol")), actions[number - 1]))
assert len(rules) == len(actions) + 1

rows, gotos, defaults, accept_state = [], [], [], 0
for state in automaton.find("automaton"):
    row, goto, default = {}, {}, 0
    for t in state.findall("actions/transitions/transition"):
        target, symbol = int(t.get("state")), t.get("symbol")
        if t.get("type") == "shift":
            if symbol == "$end":
                accept_state = int(state.get("number"))
            else:
                row[numbers[symbol]] = target + 1
        else:
            goto[nonterminals.index(symbol)] = target
    for r in state.findall("actions/reductions/reduction"):
        if r.get("enabled") != "true" or r.get("rule") == "accept":
            continue
        if r.get("symbol") == "$default":
            default = int(r.get("rule"))
        else:
            row[numbers[r.get("symbol")]] = -int(r.get("rule"))
    rows.append(tuple(sorted(row.items())))
    gotos.append(tuple(sorted(goto.items())))
    defaults.append(default)


def pool(lists):
    """Lay the rows one after the other, equal ones once: (pairs, start of each row, length of each row)."""
    flat, at, starts = [], {}, []
    for row in lists:
        if row not in at:
            at[row] = len(flat)
            flat.extend(row)
        starts.append(at[row])
    return flat, starts


def array(out, kind, name, values):
    out.append("const %s %s[] = {" % (kind, name))
    line = "   "
    for v in values:
        text = " %s," % v
        if len(line) + len(text) > 108:
            out.append(line)
            line = "   "
        line += text
    out += [line, "};"]


action_pairs, action_at = pool(rows)
goto_pairs, goto_at = pool(gotos)
h = ["/* Made by grammar.py from grammar.y: do not edit. */", "#pragma once", "", "#include <stdint.h>", "",
     "/* clang-format off */", "enum tql_token {", "    TOK_END = 0,"]
h += ["    TOK_%s = %d," % (name, i + 1) for i, (name, _) in enumerate(tokens)]
h += ["    TOK_LIMIT", "};", "", "enum tql_action {"]
names = []
for _, _, action in rules:
    if action not in names:
        names.append(action)
h += ["    ACT_%s," % n.upper() for n in names]
h += ["    ACT_COUNT", "};", "",
      "#define GRAMMAR_ACCEPT_STATE %d /* $end here ends the query */" % accept_state, "",
      "struct grammar_pair {", "    uint8_t symbol;", "    int16_t to;", "};", "",
      "struct grammar_rule {", "    uint8_t left;   /* nonterminal */", "    uint8_t length; /* symbols on the right */",
      "    uint8_t action; /* enum tql_action */", "};", "",
      "extern const struct grammar_pair grammar_actions[], grammar_gotos[];",
      "extern const uint16_t grammar_action_at[], grammar_goto_at[];",
      "extern const uint8_t grammar_action_n[], grammar_goto_n[];",
      "extern const uint16_t grammar_default[]; /* rule, 0 = none */",
      "extern const struct grammar_rule grammar_rules[];",
      "extern const char *const grammar_token_text[TOK_LIMIT];", "/* clang-format on */"]
open(os.path.join(here, "grammar_tables.h"), "w").write("\n".join(h) + "\n")

c = ["/* Made by grammar.py from grammar.y: do not edit. */", '#include "grammar_tables.h"', "", "/* clang-format off */"]
array(c, "struct grammar_pair", "grammar_actions", ["{%d, %d}" % p for p in action_pairs])
array(c, "uint16_t", "grammar_action_at", action_at)
array(c, "uint8_t", "grammar_action_n", [len(r) for r in rows])
array(c, "struct grammar_pair", "grammar_gotos", ["{%d, %d}" % p for p in goto_pairs])
array(c, "uint16_t", "grammar_goto_at", goto_at)
array(c, "uint8_t", "grammar_goto_n", [len(r) for r in gotos])
array(c, "uint16_t", "grammar_default", defaults)
array(c, "struct grammar_rule", "grammar_rules",
      ["{%d, %d, ACT_%s}" % (nonterminals.index(l), n, a.upper()) for l, n, a in rules])
array(c, "char *const", "grammar_token_text", ['"$end"'] + ['"%s"' % t for _, t in tokens])
c.append("/* clang-format on */")
open(os.path.join(here, "grammar_tables.c"), "w").write("\n".join(c) + "\n")
print("%d tokens, %d rules, %d states, %d + %d pairs" %
      (len(tokens) + 1, len(rules), len(rows), len(action_pairs), len(goto_pairs)))

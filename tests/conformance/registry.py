# SPDX-License-Identifier: BSD-2-Clause
"""The rows of the conformance table: each rule of the NBD specification for a server, and the function that tries it.

    @must('O-ABORT-1', 'Option types: ABORT', 'is answered with ACK')
    def abort_is_acknowledged(t): ...

The function gets a Test (trial.py), and raises AssertionError or a broken connection for FAIL, NotOffered when the
server does not have the feature that the rule is about.  What cannot be tried from outside is a row with a reason.
An identifier is never given to another rule.  Texts are ours: a reminder of the rule, not its wording.
"""


class NotOffered(Exception):
    """The rule is about something that this server, as started, does not offer."""


class Row:
    def __init__(self, ident, section, level, text, test=None, note=''):
        self.ident, self.section, self.level, self.text, self.test, self.note = ident, section, level, text, test, note


rows = {}


def add(row):
    assert row.ident not in rows, f'{row.ident} is there twice'
    rows[row.ident] = row


def marker(level):
    def rule(ident, section, text, note=''):
        def mark(f):
            add(Row(ident, section, level, text, f, note))
            return f
        return mark
    return rule


must, should = marker('MUST'), marker('SHOULD')


def untestable(ident, section, level, text, why):
    add(Row(ident, section, level, text, None, why))

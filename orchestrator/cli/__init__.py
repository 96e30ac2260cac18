"""The command line: one file per verb, and text/ for what verbs print.

The only room that prints or exits. main.py holds the table of verbs and the error boundary; a verb parses its
options, calls execute/ and returns an Outcome. No other room imports it.
"""

"""Self-contained HTML pages and the model card, from plain values. Pure.

A page has no script and loads nothing; its own policy forbids both. jinja2 escapes all data. base.html is the
layout with light and dark colors; NAME.html is a page, made by `page("NAME", …)`. tables.py has the tables of
the report: to add a column, add it there. execute/reporting and the command line import this room.
"""

"""Pages: one self-contained HTML file each, from plain values. Pure.

A page loads nothing and runs nothing: no script, no remote font or picture; its own policy forbids them too.
Everything that comes from data is escaped by jinja2. The layout, with light and dark colours, is base.html;
NAME.html beside this file is one page, `page("NAME", …)` makes it.
"""

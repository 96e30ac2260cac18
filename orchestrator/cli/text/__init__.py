"""What verbs print: tables, frames and summaries. Imported by cli/ alone."""

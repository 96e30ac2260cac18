"""What other tools read and print, one file a tool; every quirk of a version lives here."""

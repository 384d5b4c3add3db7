"""What people and programs are shown: tables, one experiment in full, JSON, TSV, a live view."""

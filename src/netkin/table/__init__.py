"""Tables: what a reader looks up, as CSV for programs and HTML for the report."""

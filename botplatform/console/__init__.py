"""The console's kit: components, htmx helper, shell. Knows no domain object."""

"""Client certificates, trust stores, and keys at rest."""

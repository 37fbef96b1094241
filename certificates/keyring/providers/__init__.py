"""Where key-encryption keys live. `port` is what a provider must do; `local` keeps them in a file."""

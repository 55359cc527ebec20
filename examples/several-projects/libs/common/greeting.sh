# Sourced by both services.
greeting() { printf 'Hello, %s\n' "${1:-stranger}"; }

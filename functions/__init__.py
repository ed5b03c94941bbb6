"""The deployed services, one folder each. A function imports layers, never another function, infra or the emulators."""

import sys

from emulators.cli import main

sys.exit(main(sys.argv[1:]))

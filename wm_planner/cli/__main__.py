"""`python -m wm_planner.cli` is `wm`."""

from wm_planner.cli.main import main

if __name__ == "__main__":
    main()

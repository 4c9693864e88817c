"""What turns executed notebooks into pages: for notebooks/run.py and for the site (docs/make_site.py)."""

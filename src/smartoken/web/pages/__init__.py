"""The pages, one file for each part of the site. A page is a function of the renderer and what was asked."""

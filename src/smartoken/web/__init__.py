"""The web plane: public pages, rendered from the same catalog, prices, errors and Markdown as the product itself."""

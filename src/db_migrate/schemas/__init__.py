"""Where the three catalogs come from: models, history and live, all as one server version prints them."""

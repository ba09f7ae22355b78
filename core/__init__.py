"""Problems, methods, runs and traces of iterscope; knows no user interface."""

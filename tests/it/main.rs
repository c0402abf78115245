//! The promises, a module for each group of them.

pub(crate) mod listed;
pub(crate) mod registry;
pub(crate) mod trie;
pub(crate) mod unheld;

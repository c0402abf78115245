pub(crate) mod registry;
pub(crate) mod trie;

//! Starts [`slotcast_peers`].

fn main() {
    slotcast_peers::main();
}

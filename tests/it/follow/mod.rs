//! What is followed of a bus: causes, counts and times.
//!
//! A handler that has its own bus is kept by it: such tests close the bus at their end.

mod attacks;
mod causes;
mod counts;
mod limits;

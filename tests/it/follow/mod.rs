//! What is followed of a bus: causes, counts and times.

mod attacks;
mod causes;
mod counts;
mod limits;

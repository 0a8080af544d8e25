//! Clients and gateways that mean harm, or were written badly. What they achieve is judged by every
//! byte that the other side saw.
mod framing;
mod heads;
mod json;
mod scarce;
mod slow;
mod world;

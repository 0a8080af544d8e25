//! The process: parse the command line, run the command, exit with its code.
use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Overwrites all memory with zeros when it is freed. What we hold ourselves is erased anyway; this
/// is for the buffers of libraries, which card data and credentials pass through.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    holdline::cli::main()
}

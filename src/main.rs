//! The process: parse the command line, run the command, exit with its code.
use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Overwrites all memory with zeros when it is freed: bodies, credentials, and the buffers of libraries
/// that these pass through.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    holdline::cli::main()
}

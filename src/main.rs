//! The program: hands the command line to [`fanfare::cli`], and the server to it.

use std::process::ExitCode;

fn main() -> ExitCode {
    fanfare::cli::main(fanfare::server::serve)
}

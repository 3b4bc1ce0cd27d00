//! The program: hands the command line to [`fanfare::cli`], and the server to it.

use std::process::ExitCode;

use fanfare::config::Config;

fn main() -> ExitCode {
    fanfare::cli::main(serve)
}

#[expect(
    clippy::print_stderr,
    reason = "the answer of a program without a server"
)]
fn serve(_: Config) -> ExitCode {
    eprintln!("no server is linked into this build");
    ExitCode::FAILURE
}

//! The program: hands the command line to [`fanfare`]'s `cli`.

fn main() {}

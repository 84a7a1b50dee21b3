//! Makes the JavaScript of a module: `bindgen <module.wasm> <directory>`.
//!
//! The library and this tool are locked together, so that their versions cannot differ.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [module, directory] = &arguments[..] else {
        eprintln!("usage: bindgen <module.wasm> <directory>");
        return ExitCode::FAILURE;
    };
    let mut bindgen = Bindgen::new();
    bindgen.input_path(module).typescript(true).omit_default_module_path(true);
    let made = bindgen.web(true).and_then(|bindgen| bindgen.generate(directory));
    if let Err(error) = made {
        eprintln!("bindgen: {error:#}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

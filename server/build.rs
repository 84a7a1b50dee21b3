//! What is in the program depends on whether the web app has been built (`make www`).

fn main() {
    println!("cargo:rerun-if-changed=../www/dist");
}

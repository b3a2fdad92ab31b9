//! Tells Cargo to embed the migrations anew when one is added; the macro alone does not notice.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}

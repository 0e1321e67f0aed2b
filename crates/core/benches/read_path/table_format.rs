//! Formats rows, durations and ratios for the benchmark's tables in Markdown.

pub fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

pub fn head(title: &str, columns: &[&str]) {
    println!("### {title}\n");
    println!("| {} |", columns.join(" | "));
    println!("|{}", "---:|".repeat(columns.len()));
}

pub fn ns(nanos: f64) -> String {
    if nanos < 100.0 {
        format!("{nanos:.1}")
    } else {
        format!("{nanos:.0}")
    }
}

pub fn times(ours: f64, peers: f64) -> String {
    let times = peers / ours;
    if times < 100.0 {
        format!("{times:.2}×")
    } else {
        format!("{times:.0}×")
    }
}

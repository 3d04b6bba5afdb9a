//! Who we pretend to be: name -> Leaf.

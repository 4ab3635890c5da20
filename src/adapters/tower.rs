//! A connector for clients: `Service<Uri>`, as hyper-util and tonic want it.

//! Looking at values on a tape.

use simd_json::{Node, StaticNode};

/// A value: its node, and those of what it contains.
#[derive(Debug, Clone, Copy)]
pub struct Value<'t, 'a> {
    nodes: &'t [Node<'a>],
}

impl<'t, 'a> Value<'t, 'a> {
    /// The value of a whole document.
    pub const fn root(nodes: &'t [Node<'a>]) -> Self {
        Self { nodes }
    }

    /// Its own node.
    pub fn node(&self) -> Node<'a> {
        self.nodes.first().copied().unwrap_or(Node::Static(StaticNode::Null))
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self.node(), Node::Static(StaticNode::Null))
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        matches!(self.node(), Node::Array { .. })
    }

    /// Its text, if it is one.
    pub fn text(&self) -> Option<&'a str> {
        match self.node() {
            Node::String(text) => Some(text),
            _ => None,
        }
    }

    /// Its number, if it is a whole one.
    pub fn whole(&self) -> Option<i128> {
        match self.node() {
            Node::Static(StaticNode::I64(number)) => Some(number.into()),
            Node::Static(StaticNode::U64(number)) => Some(number.into()),
            _ => None,
        }
    }

    /// How many elements or members it has.
    pub fn len(&self) -> usize {
        match self.node() {
            Node::Array { len, .. } | Node::Object { len, .. } => len,
            _ => 0,
        }
    }

    /// The elements of an array; none of anything else.
    pub fn elements(&self) -> impl Iterator<Item = Self> + use<'t, 'a> {
        let len = if self.is_array() { self.len() } else { 0 };
        let mut rest = self.inside();
        (0..len).filter_map(move |_| take(&mut rest))
    }

    /// The members of an object; `None` for anything else.
    pub fn members(&self) -> Option<impl Iterator<Item = (&'a str, Self)> + Clone + use<'t, 'a>> {
        let Node::Object { len, .. } = self.node() else {
            return None;
        };
        let mut rest = self.inside();
        Some((0..len).filter_map(move |_| Some((take(&mut rest)?.text()?, take(&mut rest)?))))
    }

    /// The first member of a name, if it is an object that has one.
    pub fn get(&self, name: &str) -> Option<Self> {
        let mut members = self.members()?;
        members.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    fn inside(&self) -> &'t [Node<'a>] {
        self.nodes.get(1..).unwrap_or_default()
    }
}

/// Takes one value off the front.
fn take<'t, 'a>(rest: &mut &'t [Node<'a>]) -> Option<Value<'t, 'a>> {
    let nodes = match rest.first()? {
        Node::Object { count, .. } | Node::Array { count, .. } => count + 1,
        _ => 1,
    };
    let (value, after) = rest.split_at_checked(nodes)?;
    *rest = after;
    Some(Value { nodes: value })
}

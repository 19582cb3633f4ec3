//! The tree under test beside the model of it: strategies, parents and one generation per node.

use prop::sample::Index;
use proptest::prelude::prop;
use tillstream_supervision::{ActorSpec, Handle, Node, Place, Strategy, Supervisor, SupervisorSpec};

use crate::clerk::{Clerk, Page};

/// What a node is; its place in the tree is its number in [`World::nodes`].
pub enum Kind {
    Actor { handle: Handle<Clerk>, page: Page },
    Group { handle: Supervisor, strategy: Strategy, children: Vec<usize> },
}

pub struct Modelled {
    pub path: String,
    pub parent: Option<usize>,
    pub generation: u64,
    pub kind: Kind,
}

/// A random tree: a supervisor with some actors and some supervisors.
#[derive(Debug, Clone)]
pub struct Shape {
    pub strategy: Strategy,
    pub actors: usize,
    pub groups: Vec<Shape>,
}

pub struct World {
    /// Those removed stay, so that numbers are stable.
    pub nodes: Vec<Modelled>,
    pub alive: Vec<usize>,
    spec: fn(&str, Strategy) -> SupervisorSpec,
    /// Pages of everybody that ever lived.
    pub pages: Vec<Page>,
}

impl World {
    pub fn new(shape: &Shape, spec: fn(&str, Strategy) -> SupervisorSpec) -> Self {
        let mut world = World { nodes: Vec::new(), alive: Vec::new(), spec, pages: Vec::new() };
        let handle = Supervisor::root(spec("root", shape.strategy), &Place::here());
        world.add_group("root".to_owned(), None, handle, shape);
        world
    }

    fn add(&mut self, path: String, parent: Option<usize>, kind: Kind) -> usize {
        let number = self.nodes.len();
        self.nodes.push(Modelled { path, parent, generation: 1, kind });
        self.alive.push(number);
        if let Some(Kind::Group { children, .. }) = parent.map(|parent| &mut self.nodes[parent].kind) {
            children.push(number);
        }
        number
    }

    fn add_group(&mut self, path: String, parent: Option<usize>, handle: Supervisor, shape: &Shape) {
        let kind = Kind::Group { handle, strategy: shape.strategy, children: Vec::new() };
        let group = self.add(path, parent, kind);
        for _ in 0..shape.actors {
            self.spawn(group);
        }
        for below in &shape.groups {
            self.nest(group, below);
        }
    }

    fn name(&self) -> String {
        format!("n{}", self.nodes.len())
    }

    pub fn spawn(&mut self, group: usize) {
        let (name, page) = (self.name(), Page::default());
        let own = page.clone();
        let factory = move || own.clerk();
        let handle =
            self.group(group).spawn(ActorSpec::new(&name, "clerk").mailbox(64), &Place::here(), factory).expect("free");
        self.pages.push(page.clone());
        self.add(format!("{}.{name}", self.nodes[group].path), Some(group), Kind::Actor { handle, page });
    }

    pub fn nest(&mut self, group: usize, shape: &Shape) {
        let name = self.name();
        let handle = self.group(group).supervisor((self.spec)(&name, shape.strategy)).expect("free");
        self.add_group(format!("{}.{name}", self.nodes[group].path), Some(group), handle, shape);
    }

    pub fn root(&self) -> &Supervisor {
        self.group(0)
    }

    pub fn group(&self, number: usize) -> &Supervisor {
        match &self.nodes[number].kind {
            Kind::Group { handle, .. } => handle,
            Kind::Actor { .. } => panic!("`{}` is no group", self.nodes[number].path),
        }
    }

    pub fn actor(&self, number: usize) -> (&Handle<Clerk>, &Page) {
        match &self.nodes[number].kind {
            Kind::Actor { handle, page } => (handle, page),
            Kind::Group { .. } => panic!("`{}` is no actor", self.nodes[number].path),
        }
    }

    pub fn any(&self, of: Index) -> usize {
        *of.get(&self.alive)
    }

    pub fn any_group(&self, of: Index) -> usize {
        let groups: Vec<_> = self.alive.iter().filter(|n| matches!(self.nodes[**n].kind, Kind::Group { .. })).collect();
        **of.get(&groups)
    }

    pub fn any_actor(&self, of: Index) -> Option<usize> {
        let actors = self.actors();
        (!actors.is_empty()).then(|| *of.get(&actors))
    }

    pub fn actors(&self) -> Vec<usize> {
        let is_actor = |n: &usize| matches!(self.nodes[*n].kind, Kind::Actor { .. });
        self.alive.iter().copied().filter(is_actor).collect()
    }

    // === what must come of it ===

    /// That node has failed, and its parent treats it by its strategy.
    pub fn failed(&mut self, node: usize) {
        let Some(parent) = self.nodes[node].parent else { return self.restarted(node) };
        let Kind::Group { strategy, children, .. } = &self.nodes[parent].kind else { return };
        let place = children.iter().position(|child| *child == node).expect("it is alive");
        let victims = match strategy {
            Strategy::OneForOne => vec![node],
            Strategy::RestForOne => children[place..].to_vec(),
            Strategy::OneForAll => children.clone(),
        };
        victims.into_iter().for_each(|victim| self.restarted(victim));
    }

    /// It and everybody below start afresh.
    fn restarted(&mut self, node: usize) {
        self.nodes[node].generation += 1;
        if let Kind::Group { children, .. } = &self.nodes[node].kind {
            children.clone().into_iter().for_each(|child| self.restarted(child));
        }
    }

    pub fn removed(&mut self, node: usize) {
        self.alive.retain(|alive| *alive != node);
        if let Some(Kind::Group { children, .. }) = self.nodes[node].parent.map(|parent| &mut self.nodes[parent].kind) {
            children.retain(|child| *child != node);
        }
        if let Kind::Group { children, .. } = &self.nodes[node].kind {
            children.clone().into_iter().for_each(|child| self.removed(child));
        }
    }

    /// The tree is as the model says: who is there, in which order, and in which generation.
    pub fn check(&self) {
        let mut expected = Vec::new();
        self.expect(0, &mut expected);
        let mut seen = Vec::new();
        see(&self.root().tree(), &mut seen);
        assert_eq!(seen, expected, "left: the tree, right: the model");
        for actor in self.actors() {
            let (_, page) = self.actor(actor);
            assert!(page.is_alive(), "`{}` is not there", self.nodes[actor].path);
        }
        self.check_pages();
    }

    pub fn check_pages(&self) {
        for page in &self.pages {
            assert_eq!(page.violations(), [""; 0]);
        }
    }

    fn expect(&self, node: usize, expected: &mut Vec<(String, u64)>) {
        let modelled = &self.nodes[node];
        expected.push((modelled.path.clone(), modelled.generation));
        if let Kind::Group { children, .. } = &modelled.kind {
            children.iter().for_each(|child| self.expect(*child, expected));
        }
    }
}

fn see(node: &Node, seen: &mut Vec<(String, u64)>) {
    seen.push((node.path.clone(), node.generation));
    node.children.iter().for_each(|child| see(child, seen));
}

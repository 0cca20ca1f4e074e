//! What a visitor does in one go: from the page it comes in on to where it loses interest.

use super::dice::{Dice, one_of, weighted};
use super::product::{Cart, Product};
use super::visitor::Visitor;
use super::world::{SHELVES, SOURCES, Source, TERMS};

/// What a visitor does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Browse,
    Look,
    Add(Product),
    Checkout,
    Purchase,
    Leave,
}

/// A page of the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// Where it begins.
    Home,
    /// A shelf: path and name.
    Shelf((&'static str, &'static str)),
    /// What was found for some words.
    Search(&'static str),
    /// A product.
    Product(Product),
    /// What is about to be bought.
    Cart,
    /// Address and payment.
    Checkout,
    /// Thanks.
    Done,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A page is looked at.
    View,
    /// Words are looked for.
    Search,
    /// A product is looked at.
    Look(Product),
    /// A product is put in the cart.
    Add(Product, u64),
    /// Paying begins.
    Checkout,
    /// It is paid.
    Purchase,
}

impl Deed {
    /// The event's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "page_view",
            Self::Search => "search",
            Self::Look(_) => "product_view",
            Self::Add(..) => "add_to_cart",
            Self::Checkout => "begin_checkout",
            Self::Purchase => "purchase",
        }
    }
}

/// One visitor's way through the shop.
#[derive(Debug)]
pub struct Session {
    /// Whose.
    pub visitor: Visitor,
    /// A number without pattern.
    pub mark: u64,
    /// Whether the shop knows the user.
    pub is_known: bool,
    /// How the visitor came.
    pub source: &'static Source,
    /// The page before, within the shop.
    pub before: Option<Page>,
    /// The page that is shown.
    pub page: Page,
    /// What is about to be bought.
    pub cart: Cart,
    has_begun: bool,
    next: Next,
}

impl Session {
    /// A session that begins. `None` if there is no way to come.
    pub fn begin(visitor: Visitor, returning: bool, dice: &mut Dice) -> Option<Self> {
        Some(Self {
            visitor,
            mark: dice.roll(),
            is_known: returning && visitor.is_customer(),
            source: weighted(dice.roll(), SOURCES, |source| source.weight)?,
            before: None,
            page: Page::Home,
            cart: Cart::default(),
            has_begun: false,
            next: if dice.percent(30) { Next::Look } else { Next::Browse },
        })
    }

    /// Whether the visitor has left.
    pub fn is_over(&self) -> bool {
        self.next == Next::Leave
    }

    /// Does what comes next.
    pub fn go_on(&mut self, dice: &mut Dice) -> Deed {
        self.before = self.has_begun.then_some(self.page);
        self.has_begun = true;
        match self.next {
            Next::Browse | Next::Leave => self.browse(dice),
            Next::Look => self.look(dice),
            Next::Add(product) => self.add(product, dice),
            Next::Checkout => {
                self.page = Page::Checkout;
                self.next = if dice.percent(62) { Next::Purchase } else { Next::Leave };
                Deed::Checkout
            }
            Next::Purchase => {
                self.page = Page::Done;
                self.is_known = self.visitor.is_customer();
                self.next = Next::Leave;
                Deed::Purchase
            }
        }
    }

    fn browse(&mut self, dice: &mut Dice) -> Deed {
        self.next = match dice.below(100) {
            0..28 => Next::Leave,
            28..55 => Next::Browse,
            _ => Next::Look,
        };
        match dice.below(100) {
            0..30 => self.page = Page::Home,
            30..85 => self.page = Page::Shelf(one_of(dice.roll(), &SHELVES)),
            _ => {
                self.page = Page::Search(one_of(dice.roll(), &TERMS));
                return Deed::Search;
            }
        }
        Deed::View
    }

    fn look(&mut self, dice: &mut Dice) -> Deed {
        let product = Product::wanted(dice);
        self.page = Page::Product(product);
        self.next = match dice.below(100) {
            0..32 => Next::Leave,
            32..58 => Next::Browse,
            58..80 => Next::Look,
            // Programs put nothing in a cart.
            _ if self.visitor.device.is_bot() => Next::Look,
            _ => Next::Add(product),
        };
        Deed::Look(product)
    }

    fn add(&mut self, product: Product, dice: &mut Dice) -> Deed {
        let quantity = if dice.percent(80) { 1 } else { 2 };
        self.cart.put(product, quantity);
        self.page = Page::Cart;
        self.next = match dice.below(100) {
            0..28 => Next::Leave,
            28..42 => Next::Browse,
            42..60 => Next::Look,
            _ => Next::Checkout,
        };
        Deed::Add(product, quantity)
    }
}

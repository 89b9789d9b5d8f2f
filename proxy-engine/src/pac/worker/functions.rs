//! The functions that the format promises to scripts: Netscape's of 1996, and Microsoft's for IPv6.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use rquickjs::function::Opt;
use rquickjs::{Coerced, Ctx, Exception, FromJs as _, Function, IntoJs as _, Result, Value};

use super::message::{Ask, Wants};

/// What one question knows, and what it turned out to need.
#[derive(Debug, Default)]
pub(super) struct Shared {
    ask: RefCell<Ask>,
    until: Cell<Option<Instant>>,
    late: Cell<bool>,
    wants: RefCell<Option<Wants>>,
    by_chance: Cell<bool>,
}

impl Shared {
    /// A new question, with so much time.
    pub(super) fn begin(&self, ask: Ask, time: Duration) {
        *self.ask.borrow_mut() = ask;
        self.until.set(Some(Instant::now() + time));
        self.late.set(false);
        *self.wants.borrow_mut() = None;
        self.by_chance.set(false);
    }

    /// Whether the time is up. The interpreter asks now and then, and stops the script.
    pub(super) fn is_late(&self) -> bool {
        let late = self
            .until
            .get()
            .is_some_and(|until| Instant::now() >= until);
        self.late.set(self.late.get() || late);
        late
    }

    /// Whether it was stopped.
    pub(super) fn was_late(&self) -> bool {
        self.late.get()
    }

    /// What it needs.
    pub(super) fn wanted(&self) -> Option<Wants> {
        self.wants.borrow_mut().take()
    }

    /// Whether it threw dice.
    pub(super) fn was_by_chance(&self) -> bool {
        self.by_chance.get()
    }

    /// The addresses of a host. Throws where they are not known yet: the script is asked again once
    /// they are.
    fn addresses(&self, ctx: &Ctx<'_>, host: &str) -> Result<Vec<IpAddr>> {
        let host = host.strip_suffix('.').unwrap_or(host);
        if let Some(ip) = address(host) {
            return Ok(vec![ip]);
        }
        if !crate::sniff::is_host_name(host) {
            return Ok(Vec::new());
        }
        let name = host.to_ascii_lowercase();
        match self.ask.borrow().names.get(&name) {
            Some(found) => Ok(found.clone()),
            None => Err(self.stop(ctx, Wants::Name(name))),
        }
    }

    fn own(&self, ctx: &Ctx<'_>) -> Result<Vec<IpAddr>> {
        match &self.ask.borrow().own {
            Some(own) => Ok(own.clone()),
            None => Err(self.stop(ctx, Wants::Own)),
        }
    }

    /// The first thing that it needs: what it says after that is void.
    fn stop(&self, ctx: &Ctx<'_>, wants: Wants) -> rquickjs::Error {
        self.wants.borrow_mut().get_or_insert(wants);
        Exception::throw_message(ctx, "wait for a name")
    }
}

/// The parts that are quicker to say in the script's own language.
const IN_JAVASCRIPT: &str = include_str!("functions.js");

/// Puts every function in its place.
pub(super) fn install(ctx: &Ctx<'_>, shared: &Rc<Shared>) -> Result<()> {
    about_texts(ctx)?;
    about_names(ctx, shared)?;
    let globals = ctx.globals();
    let dice = Rc::clone(shared);
    let thrown = Function::new(ctx.clone(), move || dice.by_chance.set(true))?;
    globals.set("diceThrown", thrown)?;
    ctx.eval::<(), _>(IN_JAVASCRIPT)?;
    globals.remove("diceThrown")?;
    Ok(())
}

fn about_texts(ctx: &Ctx<'_>) -> Result<()> {
    let globals = ctx.globals();
    globals.set("shExpMatch", Function::new(ctx.clone(), sh_exp_match)?)?;
    globals.set("dnsDomainIs", Function::new(ctx.clone(), dns_domain_is)?)?;
    globals.set(
        "localHostOrDomainIs",
        Function::new(ctx.clone(), local_host_or_domain_is)?,
    )?;
    globals.set(
        "isPlainHostName",
        Function::new(ctx.clone(), |host: Coerced<String>| {
            !host.contains(['.', ':'])
        })?,
    )?;
    globals.set(
        "dnsDomainLevels",
        Function::new(ctx.clone(), |host: Coerced<String>| {
            host.matches('.').count()
        })?,
    )?;
    globals.set(
        "convert_addr",
        Function::new(ctx.clone(), |ip: Coerced<String>| {
            ip.parse::<Ipv4Addr>().map_or(0, u32::from)
        })?,
    )?;
    globals.set(
        "sortIpAddressList",
        Function::new(ctx.clone(), |list: Coerced<String>| sorted(&list))?,
    )?;
    globals.set(
        "isInNetEx",
        Function::new(ctx.clone(), |ip: Coerced<String>, net: Coerced<String>| {
            let (ip, net) = (address(&ip), net.trim().parse::<IpNet>().ok());
            ip.zip(net).is_some_and(|(ip, net)| net.contains(&ip))
        })?,
    )?;
    globals.set("getClientVersion", Function::new(ctx.clone(), || "1.0")?)?;
    // Browsers write it to a log that nobody reads.
    globals.set("alert", Function::new(ctx.clone(), |_: Opt<Value<'_>>| ())?)
}

fn about_names<'js>(ctx: &Ctx<'js>, shared: &Rc<Shared>) -> Result<()> {
    let globals = ctx.globals();
    let known = Rc::clone(shared);
    globals.set(
        "dnsResolve",
        Function::new(ctx.clone(), move |ctx: Ctx<'js>, host: Coerced<String>| {
            match first_v4(&known.addresses(&ctx, &host)?) {
                Some(ip) => ip.into_js(&ctx),
                // `None` would be `undefined`.
                None => Ok(Value::new_null(ctx)),
            }
        })?,
    )?;
    let known = Rc::clone(shared);
    globals.set(
        "dnsResolveEx",
        Function::new(ctx.clone(), move |ctx, host: Coerced<String>| {
            Ok::<_, rquickjs::Error>(list(&known.addresses(&ctx, &host)?))
        })?,
    )?;
    let known = Rc::clone(shared);
    globals.set(
        "isResolvable",
        Function::new(ctx.clone(), move |ctx, host: Coerced<String>| {
            let found = known.addresses(&ctx, &host)?;
            Ok::<_, rquickjs::Error>(first_v4(&found).is_some())
        })?,
    )?;
    let known = Rc::clone(shared);
    globals.set(
        "isResolvableEx",
        Function::new(ctx.clone(), move |ctx, host: Coerced<String>| {
            Ok::<_, rquickjs::Error>(!known.addresses(&ctx, &host)?.is_empty())
        })?,
    )?;
    let known = Rc::clone(shared);
    globals.set(
        "isInNet",
        Function::new(
            ctx.clone(),
            move |ctx, host: Coerced<String>, net: Coerced<String>, mask: Coerced<String>| {
                let (Ok(net), Ok(mask)) = (net.parse::<Ipv4Addr>(), mask.parse::<Ipv4Addr>())
                else {
                    return Ok(false);
                };
                let found = known.addresses(&ctx, &host)?;
                let ip = found.iter().find_map(v4);
                Ok::<_, rquickjs::Error>(ip.is_some_and(|ip| ip & mask == net & mask))
            },
        )?,
    )?;
    let known = Rc::clone(shared);
    globals.set(
        "myIpAddress",
        Function::new(ctx.clone(), move |ctx| {
            let own = first_v4(&known.own(&ctx)?);
            // What browsers say on a machine without a network.
            Ok::<_, rquickjs::Error>(own.unwrap_or_else(|| "127.0.0.1".into()))
        })?,
    )?;
    let known = Rc::clone(shared);
    globals.set(
        "myIpAddressEx",
        Function::new(ctx.clone(), move |ctx| {
            Ok::<_, rquickjs::Error>(list(&known.own(&ctx)?))
        })?,
    )
}

#[expect(clippy::needless_pass_by_value, reason = "the interpreter calls it so")]
fn sh_exp_match<'js>(ctx: Ctx<'js>, text: Value<'js>, pattern: Value<'js>) -> Result<bool> {
    with_texts(&ctx, text, pattern, matches)
}

#[expect(clippy::needless_pass_by_value, reason = "the interpreter calls it so")]
fn dns_domain_is<'js>(ctx: Ctx<'js>, host: Value<'js>, domain: Value<'js>) -> Result<bool> {
    with_texts(&ctx, host, domain, <[u8]>::ends_with)
}

#[expect(clippy::needless_pass_by_value, reason = "the interpreter calls it so")]
fn local_host_or_domain_is<'js>(ctx: Ctx<'js>, host: Value<'js>, full: Value<'js>) -> Result<bool> {
    with_texts(&ctx, host, full, |host, full| {
        match full.strip_prefix(host) {
            Some([]) => true,
            Some([b'.', ..]) => !host.contains(&b'.'),
            Some(_) | None => false,
        }
    })
}

/// Two arguments as texts, whatever they are, without copying those that are. What is compared is
/// their bytes: half a character is a text, too, there.
fn with_texts<'js>(
    ctx: &Ctx<'js>,
    first: Value<'js>,
    second: Value<'js>,
    compare: impl FnOnce(&[u8], &[u8]) -> bool,
) -> Result<bool> {
    let text = |value: Value<'js>| {
        let text = if value.is_string() {
            rquickjs::String::from_value(value)?
        } else {
            Coerced::<rquickjs::String<'js>>::from_js(ctx, value)?.0
        };
        text.to_cstring()
    };
    let (first, second) = (text(first)?, text(second)?);
    Ok(compare(
        first.as_str().as_bytes(),
        second.as_str().as_bytes(),
    ))
}

/// Whether the whole text is of the pattern, in which `*` is any text and `?` any one byte.
fn matches(text: &[u8], pattern: &[u8]) -> bool {
    let (mut t, mut p) = (0, 0);
    // Where the last star stands, and how much of the text it holds.
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => {
                t += 1;
                p += 1;
            }
            _ => match star {
                // It holds one more.
                Some((at, held)) => {
                    star = Some((at, held + 1));
                    (p, t) = (at + 1, held + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

fn address(text: &str) -> Option<IpAddr> {
    text.trim()
        .parse::<IpAddr>()
        .ok()
        .map(|ip| ip.to_canonical())
}

fn v4(ip: &IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(ip) => Some(*ip),
        IpAddr::V6(_) => None,
    }
}

fn first_v4(found: &[IpAddr]) -> Option<String> {
    found.iter().find_map(v4).map(|ip| ip.to_string())
}

fn list(found: &[IpAddr]) -> String {
    let texts: Vec<String> = found.iter().map(IpAddr::to_string).collect();
    texts.join(";")
}

/// IPv6 first, each by number; the empty text where one is no address.
fn sorted(texts: &str) -> String {
    let ips: Option<Vec<IpAddr>> = texts.split(';').map(address).collect();
    let mut ips = ips.unwrap_or_default();
    ips.sort_by_key(|ip| (ip.is_ipv4(), *ip));
    list(&ips)
}

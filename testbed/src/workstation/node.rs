//! A kind-like node: a privileged container on the Docker network `kind`, labelled as kind labels
//! it, with a pod behind a bridge in it.
//!
//! No real `kindest/node` image can be had; what Gangway sees of one is all here: the network, the
//! labels, and connections of pods that leave the node's address after masquerading.

use std::process::Output;

use super::Workstation;
use crate::Result;
use crate::net::RESOLVER;
use crate::registry::APP_IMAGE;

/// The cluster's name, as the label `io.x-k8s.kind.cluster` gives it.
pub const KIND_CLUSTER: &str = "demo";
const NODE: &str = "demo-control-plane";
const POD: &str = "pod";

/// A node with one pod; gone when dropped.
#[derive(Debug)]
pub struct KindNode<'host> {
    host: &'host Workstation<'host>,
}

impl<'host> KindNode<'host> {
    /// Starts it; [`APP_IMAGE`] must be on the workstation. The pod has no proxy setting of any
    /// kind, and the office's resolver, as a cluster's DNS would ask it.
    ///
    /// # Errors
    /// What Docker or `ip` printed.
    pub(super) fn start(host: &'host Workstation<'host>) -> Result<Self> {
        host.sh(&format!(
            "docker network inspect kind >/dev/null 2>&1 || docker network create kind >/dev/null\n\
             docker run -d --pull never --privileged --init --stop-timeout 1 --network kind \
               --name {NODE} --hostname {NODE} --label io.x-k8s.kind.cluster={KIND_CLUSTER} \
               --label io.x-k8s.kind.role=control-plane {APP_IMAGE} sleep infinity"
        ))?;
        let this = Self { host };
        this.pod_network()?;
        Ok(this)
    }

    /// What a cluster's network plug-in does: a bridge in the node, a veth pair, masquerading.
    fn pod_network(&self) -> Result<()> {
        self.host.sh(&format!(
            "node=\"nsenter --net --target $(docker inspect -f '{{{{.State.Pid}}}}' {NODE}) --\"\n\
             mkdir -p /etc/netns/{POD}\n\
             echo nameserver {RESOLVER} > /etc/netns/{POD}/resolv.conf\n\
             ip netns add {POD}\n\
             $node ip link add cni0 type bridge\n\
             $node ip addr add 10.244.7.1/24 dev cni0\n\
             $node ip link set cni0 up\n\
             $node ip link add veth-pod type veth peer name eth0 netns {POD}\n\
             $node ip link set veth-pod master cni0 up\n\
             $node sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'\n\
             $node iptables -t nat -A POSTROUTING -s 10.244.7.0/24 ! -o cni0 -j MASQUERADE\n\
             ip -n {POD} link set lo up\n\
             ip -n {POD} addr add 10.244.7.2/24 dev eth0\n\
             ip -n {POD} link set eth0 up\n\
             ip -n {POD} route add default via 10.244.7.1"
        ))
        .map(drop)
    }

    /// Runs a program in the pod to its end, whatever its status.
    ///
    /// # Errors
    /// [`crate::TestbedError::Spawn`].
    pub fn pod(&self, program: &str, args: &[&str]) -> Result<Output> {
        let inside = ["netns", "exec", POD, program];
        self.host.exec("ip", &[&inside, args].concat())
    }
}

impl Drop for KindNode<'_> {
    fn drop(&mut self) {
        // What is not taken down here goes with the workstation.
        let _ = self.host.sh(&format!(
            "ip netns del {POD}; docker rm -f {NODE}; docker network rm kind"
        ));
    }
}

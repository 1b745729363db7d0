#!/bin/busybox sh
# The first process of the micro-VM: mounts the tree, runs the maintainer scripts in it, and switches the machine off.
#
# /job, made by the host: modules (file names in load order), clock (seconds since 1970), preinst (lines of
# "PACKAGE QUALIFIED-NAME ARCHITECTURE"), remove (packages that go), unpack (lines of "FILE
# PACKAGE" for what is in /job/debs), first (groups of
# packages to configure before the others, one a line), bin (commands that stand in for real ones), dpkg-version, triggers (of
# dpkg's, one a line) and programs (paths in the tree): what computes something of files that are in no package,
# makers (lines of "PACKAGE QUALIFIED-NAME ARCHITECTURE VERSION") and secrets (lines of "NUMBER PATH"): files that are missing, and who may
# make them.
# The virtio-serial port piforge.log takes all that the scripts print, piforge.result how things went: a line "ready", then
#   done | remove PACKAGE STATUS | preinst PACKAGE STATUS | unpack PACKAGE STATUS | configure - STATUS | run WHAT STATUS |
#   boot REASON
# and before it "made NUMBER PACKAGE again|fresh" for a secret that a package has made.
# after "space BLOCKS-FREE BLOCK-SIZE INODES-FREE" where something failed.

/bin/busybox mkdir -p /proc /sys /dev /tree
/bin/busybox --install -s /bin
export PATH=/bin
umask 022
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
while read -r module; do insmod "/modules/$module"; done </job/modules

# The device of the virtio-serial port with this name.
port() {
    for folder in /sys/class/virtio-ports/*; do
        [ "$(cat "$folder/name" 2>/dev/null)" = "$1" ] && echo "/dev/${folder##*/}"
    done
}
until [ -c "$(port piforge.log)" ] && [ -c "$(port piforge.result)" ] && [ -b /dev/vda ]; do
    waited=$((waited + 1))
    [ "$waited" -lt 500 ] || poweroff -f
    usleep 10000
done
exec </dev/null >"$(port piforge.log)" 2>&1 4>"$(port piforge.result)"

unsigned=
finish() {
    [ "$1" = done ] || echo "space $(stat -f -c '%a %S %d' /tree)" >&4
    # A daemon that a script has left behind would hold the file system.
    kill -9 -1 2>/dev/null
    cd /
    for place in run/piforge/debs dev/shm dev/pts dev sys proc tmp run; do umount "/tree/$place" 2>/dev/null; done
    rm -f /tree/usr/sbin/policy-rc.d "$unsigned"
    sync
    umount /tree || mount -o remount,ro /tree || set -- boot "the tree could not be unmounted"
    echo "$*" >&4
    poweroff -f
    sleep 60
}

date -u -s "@$(cat /job/clock)" >/dev/null
mount -t ext4 -o noatime,barrier=0,commit=3600 /dev/vda /tree || finish boot "the tree could not be mounted"
mount -t proc proc /tree/proc
mount -t sysfs sysfs /tree/sys
mount -t devtmpfs devtmpfs /tree/dev
mkdir -p /tree/dev/pts /tree/dev/shm
mount -t devpts devpts /tree/dev/pts
mount -t tmpfs -o mode=1777 tmpfs /tree/dev/shm
mount -t tmpfs -o mode=755 tmpfs /tree/run
mount -t tmpfs -o mode=1777 tmpfs /tree/tmp
ln -sf /proc/self/fd /tree/dev/fd
ln -sf fd/0 /tree/dev/stdin
ln -sf fd/1 /tree/dev/stdout
ln -sf fd/2 /tree/dev/stderr
mkdir -p /tree/run/lock /tree/run/piforge
chmod 1777 /tree/run/lock
cp -R /job/bin /tree/run/piforge/bin
: >/tree/run/piforge/logged
chmod 666 /tree/run/piforge/logged
if [ -d /job/debs ]; then
    mkdir /tree/run/piforge/debs
    mount -o bind /job/debs /tree/run/piforge/debs
fi
# DKMS would make a key and sign what it compiles. No Pi looks at such a signature, and it would make each build another.
if [ -d /tree/etc/dkms/framework.conf.d ]; then
    unsigned=/tree/etc/dkms/framework.conf.d/piforge.conf
    echo sign_file=/nonexistent >"$unsigned"
fi
printf '#!/bin/sh\nexit 101\n' >/tree/usr/sbin/policy-rc.d
chmod 755 /tree/usr/sbin/policy-rc.d
ip link set lo up 2>/dev/null
hostname localhost
echo ready >&4

# Runs a command in the tree, in an environment of our own making.
inside() {
    env -i PATH=/run/piforge/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LC_ALL=C.UTF-8 TZ=UTC TERM=dumb INITRD=No PERL_BADLANG=0 \
        DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes \
        DPKG_ADMINDIR=/var/lib/dpkg DPKG_ROOT= "$@" 3>&1 4>&- </dev/null
    result=$?
    # What scripts gave to `logger`, which has no other place to go.
    cat /tree/run/piforge/logged
    : >/tree/run/piforge/logged
    return $result
}

# Packages that stand in the way of what is installed; what needed them is told to go, or is replaced below. Triggers wait
# until all is unpacked: each of these runs would work them off anew, with half of what they need.
while read -r package; do
    inside chroot /tree /usr/bin/dpkg --status-fd 3 --no-triggers --force-depends --remove "$package"
    status=$?
    [ $status -eq 0 ] || finish remove "$package" $status
done </job/remove

# Preinst scripts, in the environment dpkg gives them (dpkg(1), "maintainer scripts"); the files are unpacked already.
while read -r package qualified architecture; do
    echo "processing: preinst: $package"
    inside DPKG_MAINTSCRIPT_PACKAGE="$package" DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 \
        DPKG_MAINTSCRIPT_ARCH="$architecture" DPKG_MAINTSCRIPT_NAME=preinst DPKG_MAINTSCRIPT_DEBUG=0 \
        DPKG_RUNNING_VERSION="$(cat /job/dpkg-version)" \
        chroot /tree "/var/lib/dpkg/info/$qualified.preinst" install
    status=$?
    [ $status -eq 0 ] || finish preinst "$package" $status
done </job/preinst

# One dpkg a package: a package may need the diversions of the one before it.
while read -r name package; do
    inside chroot /tree /usr/bin/dpkg --status-fd 3 --no-triggers --force-depends --force-unsafe-io --force-confold \
        --auto-deconfigure --unpack "/run/piforge/debs/$name"
    status=$?
    [ $status -eq 0 ] || finish unpack "$package" $status
done </job/unpack

configure() {
    inside chroot /tree /usr/bin/dpkg --status-fd 3 --abort-after=1 --force-confold --configure "$@"
    status=$?
    [ $status -eq 0 ] || finish configure - $status
}
# Packages that the scripts of others need before dpkg's order has come to them. A group at a time: within one, dpkg puts off
# what still waits for another of it.
while read -r group; do
    # shellcheck disable=SC2086 # one package a word
    configure --force-depends $group
done </job/first
# As if the files had come in a package; dpkg works them off below.
while read -r trigger; do
    inside chroot /tree /usr/bin/dpkg-trigger --no-await --by-package=dpkg "$trigger"
    status=$?
    [ $status -eq 0 ] || finish run "dpkg-trigger" $status
done </job/triggers
configure -a
while read -r program; do
    echo "running $program"
    inside chroot /tree "$program"
    status=$?
    [ $status -eq 0 ] || finish run "$program" $status
done </job/programs
# Which package makes a missing secret, and how it has to be asked (Debian Policy 6.5). A script that fails has none.
tell() {
    while read -r number path; do
        if [ ! -e "/made.$number" ] && [ -s "/tree/$path" ]; then
            : >"/made.$number"
            echo "made $number $1 $2" >&4
        fi
    done </job/secrets
}
missing() {
    while read -r number path; do [ -e "/made.$number" ] || return 0; done </job/secrets
    return 1
}
for means in again fresh; do
    while read -r package qualified architecture version; do
        missing || break
        [ $means = again ] || version=
        echo "processing: configure: $package"
        inside DPKG_MAINTSCRIPT_PACKAGE="$package" DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1 \
            DPKG_MAINTSCRIPT_ARCH="$architecture" DPKG_MAINTSCRIPT_NAME=postinst DPKG_MAINTSCRIPT_DEBUG=0 \
            chroot /tree "/var/lib/dpkg/info/$qualified.postinst" configure "$version" && tell "$package" $means
    done </job/makers
done
finish done

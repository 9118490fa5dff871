/**
 * Command lines of three kinds, as they are found: what a shell script has, what Proxmox prints (`qm
 * showcmd 100`), and what libvirt does (`virsh domxml-to-native qemu-argv`). Written for the tests.
 */
export type Sample = {
  readonly name: "shell" | "proxmox" | "libvirt";
  readonly text: string;
  /** Texts that stand for what this machine does not have, with what takes their place. */
  readonly here: readonly (readonly [RegExp, string])[];
};

/** `folder` on the machine where it runs. */
const SHELL = `#!/bin/sh
# The wiki.
DIR=/srv/guests
exec qemu-system-x86_64 -name wiki -m 256 -smp 2 \\
  -drive file=$DIR/disk.raw,if=virtio,format=raw,cache=none \\
  -cdrom $DIR/cd.iso -boot d \\
  -nic user,id=net0,model=virtio-net-pci,mac=52:54:00:00:00:07,hostfwd=tcp:127.0.0.1:0-:22 \\
  -usb -device usb-tablet -vga cirrus -serial "unix:$DIR/console.sock,server=on,wait=off" \\
  -qmp unix:$DIR/wiki.qmp,server=on,wait=off -monitor none -display none >/dev/null 2>&1
`;

const PROXMOX = `/usr/bin/kvm -id 100 -name 'web,debug-threads=on' -no-shutdown \\
  -chardev 'socket,id=qmp,path=/var/run/qemu-server/100.qmp,server=on,wait=off' \\
  -mon 'chardev=qmp,mode=control' \\
  -chardev 'socket,id=qmp-event,path=/var/run/qmeventd.sock,reconnect-ms=5000' \\
  -mon 'chardev=qmp-event,mode=control' -pidfile /var/run/qemu-server/100.pid -daemonize \\
  -smbios 'type=1,uuid=83b8f4f2-509f-382f-3c1e-e6bfe0fa1001' \\
  -smp '2,sockets=1,cores=2,maxcpus=2' -nodefaults \\
  -boot 'menu=on,strict=on,reboot-timeout=1000,splash=/usr/share/qemu-server/bootsplash.jpg' \\
  -vnc 'unix:/var/run/qemu-server/100.vnc,password=on' \\
  -cpu 'qemu64,+aes,enforce,+kvm_pv_eoi,+kvm_pv_unhalt' -m 256 \\
  -object 'iothread,id=iothread-virtioscsi0' \\
  -device 'pci-bridge,id=pci.1,chassis_nr=1,bus=pci.0,addr=0x1e' \\
  -device 'pci-bridge,id=pci.3,chassis_nr=3,bus=pci.0,addr=0x5' \\
  -device 'vmgenid,guid=83b8f4f2-509f-382f-3c1e-e6bfe0fa1002' \\
  -device 'piix3-usb-uhci,id=uhci,bus=pci.0,addr=0x1.0x2' \\
  -device 'usb-tablet,id=tablet,bus=uhci.0,port=1' -device 'VGA,id=vga,bus=pci.0,addr=0x2' \\
  -chardev 'socket,path=/var/run/qemu-server/100.qga,server=on,wait=off,id=qga0' \\
  -device 'virtio-serial,id=qga0,bus=pci.0,addr=0x8' \\
  -device 'virtserialport,chardev=qga0,name=org.qemu.guest_agent.0' \\
  -device 'virtio-balloon-pci,id=balloon0,bus=pci.0,addr=0x3,free-page-reporting=on' \\
  -iscsi 'initiator-name=iqn.1993-08.org.debian:01:5ad' \\
  -drive 'if=none,id=drive-ide2,media=cdrom,aio=io_uring' \\
  -device 'ide-cd,bus=ide.1,unit=0,drive=drive-ide2,id=ide2,bootindex=101' \\
  -device 'virtio-scsi-pci,id=virtioscsi0,bus=pci.3,addr=0x1,iothread=iothread-virtioscsi0' \\
  -drive 'file=/dev/pve/vm-100-disk-0,if=none,id=drive-scsi0,discard=on,format=raw,cache=none,aio=io_uring,detect-zeroes=unmap' \\
  -device 'scsi-hd,bus=virtioscsi0.0,channel=0,scsi-id=0,lun=0,drive=drive-scsi0,id=scsi0,bootindex=100' \\
  -netdev 'type=tap,id=net0,ifname=tap100i0,script=/usr/libexec/qemu-server/pve-bridge,downscript=/usr/libexec/qemu-server/pve-bridgedown,vhost=on' \\
  -device 'virtio-net-pci,mac=BC:24:11:00:00:01,netdev=net0,bus=pci.0,addr=0x12,id=net0,rx_queue_size=1024,tx_queue_size=256,bootindex=102' \\
  -rtc 'driftfix=slew,base=localtime' -machine 'type=pc-i440fx-9.2+pve1'
`;

const LIBVIRT = `LC_ALL=C \\
PATH=/usr/sbin:/usr/bin \\
XDG_CONFIG_HOME=/var/lib/libvirt/qemu/domain-1-db/.config \\
/usr/bin/qemu-system-x86_64 \\
-name guest=db,debug-threads=on \\
-S \\
-object '{"qom-type":"secret","id":"masterKey0","format":"raw","file":"/var/lib/libvirt/qemu/domain-1-db/master-key.aes"}' \\
-machine pc-q35-9.2,usb=off,vmport=off,dump-guest-core=off,memory-backend=pc.ram,hpet=off,acpi=on \\
-accel tcg \\
-cpu qemu64,+ssse3,+sse4.1,-svm,check=off \\
-m size=262144k \\
-object '{"qom-type":"memory-backend-ram","id":"pc.ram","size":268435456}' \\
-overcommit mem-lock=off \\
-smp 2,sockets=2,cores=1,threads=1 \\
-uuid 83b8f4f2-509f-382f-3c1e-e6bfe0fa1003 \\
-no-user-config \\
-nodefaults \\
-chardev socket,id=charmonitor,fd=25,server=on,wait=off \\
-mon chardev=charmonitor,id=monitor,mode=control \\
-rtc base=utc,driftfix=slew \\
-global kvm-pit.lost_tick_policy=delay \\
-no-shutdown \\
-global ICH9-LPC.disable_s3=1 \\
-boot strict=on \\
-device '{"driver":"pcie-root-port","port":16,"chassis":1,"id":"pci.1","bus":"pcie.0","multifunction":true,"addr":"0x2"}' \\
-device '{"driver":"pcie-root-port","port":17,"chassis":2,"id":"pci.2","bus":"pcie.0","addr":"0x2.0x1"}' \\
-device '{"driver":"qemu-xhci","p2":15,"p3":15,"id":"usb","bus":"pci.1","addr":"0x0"}' \\
-device '{"driver":"virtio-serial-pci","id":"virtio-serial0","bus":"pcie.0","addr":"0x3"}' \\
-blockdev '{"driver":"file","filename":"/srv/guests/disk.raw","node-name":"libvirt-1-storage","auto-read-only":true,"discard":"unmap"}' \\
-blockdev '{"node-name":"libvirt-1-format","read-only":false,"discard":"unmap","driver":"raw","file":"libvirt-1-storage"}' \\
-device '{"driver":"virtio-blk-pci","bus":"pci.2","addr":"0x0","drive":"libvirt-1-format","id":"virtio-disk0","bootindex":1}' \\
-netdev '{"type":"tap","fd":"26","vhost":true,"vhostfd":"28","id":"hostnet0"}' \\
-device '{"driver":"virtio-net-pci","netdev":"hostnet0","id":"net0","mac":"52:54:00:00:00:08","bus":"pcie.0","addr":"0x4"}' \\
-chardev pty,id=charserial0 \\
-device '{"driver":"isa-serial","chardev":"charserial0","id":"serial0","index":0}' \\
-chardev socket,id=charchannel0,fd=24,server=on,wait=off \\
-device '{"driver":"virtserialport","bus":"virtio-serial0.0","nr":1,"chardev":"charchannel0","id":"channel0","name":"org.qemu.guest_agent.0"}' \\
-device '{"driver":"usb-tablet","id":"input0","bus":"usb.0","port":"1"}' \\
-audiodev '{"id":"audio1","driver":"none"}' \\
-vnc 127.0.0.1:0,audiodev=audio1 \\
-device '{"driver":"virtio-vga","id":"video0","max_outputs":1,"bus":"pcie.0","addr":"0x1"}' \\
-device '{"driver":"virtio-balloon-pci","id":"balloon0","bus":"pcie.0","addr":"0x5"}' \\
-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny \\
-msg timestamp=on
`;

const FOLDER = [/\/srv\/guests/g, "FOLDER"] as const;

export const samples: readonly Sample[] = [
  { name: "shell", text: SHELL, here: [FOLDER] },
  {
    name: "proxmox",
    text: PROXMOX,
    here: [
      [/-id 100 /, ""],
      [/-daemonize/, ""],
      [/-boot .*splash=\S+/, "-boot menu=on,strict=on,reboot-timeout=1000"],
      [/enforce,/, ""],
      [/io_uring/g, "threads"],
      [/\/dev\/pve\/vm-100-disk-0/, "FOLDER/disk.raw"],
      [/\/var\/run\/(qemu-server\/|)/g, "FOLDER/"],
      [/-netdev 'type=tap.*?'/, "-netdev 'type=user,id=net0'"],
      [/\+pve1/, ""],
    ],
  },
  {
    name: "libvirt",
    text: LIBVIRT,
    here: [
      FOLDER,
      [/-object '\{"qom-type":"secret".*?\}'/, ""],
      [/"type":"tap","fd":"26","vhost":true,"vhostfd":"28"/, '"type":"user"'],
      [/id=charmonitor,fd=25/, "id=charmonitor,path=FOLDER/monitor.sock"],
      [/id=charchannel0,fd=24/, "id=charchannel0,path=FOLDER/channel.sock"],
      [/pty,id=charserial0/, "null,id=charserial0"],
      [/-S /, ""],
    ],
  },
];

/** The text as it can run on this machine, with its files in a folder. */
export function onThisMachine({ text, here }: Sample, folder: string): string {
  const changed = here.reduce((result, [found, put]) => result.replace(found, put), text);
  return changed.replaceAll("FOLDER", folder);
}

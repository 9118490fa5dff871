# The program of a guest. It keeps one TCP connection to a peer for as long as it lives, and sends a
# line on it every 10 ms, with the guest's own clock. Beside it, workers fill memory and disks with
# what they can check, and check it. The peer says when to finish: then all is checked once more.
use strict;
use warnings;
use Errno qw(EAGAIN EINTR);
use IO::Handle;
use Socket qw(:DEFAULT IPPROTO_TCP TCP_NODELAY);

my $TICK_NS = 10_000_000;
my $PEER = '10.77.0.1';
my $PORT = 7000;
my $CONNECT_S = 60;
my $UNSENT_MAX = 65_536;
my $MEMORY_MIB = 40;
my %FILE_SYSTEMS = (raw => '/raw', cow => '/cow');

my ($SYS_CLOCK_GETTIME, $SYS_FADVISE) = (228, 221);
my ($CLOCK_MONOTONIC_RAW, $DONTNEED) = (4, 4);
my $finishing = 0;

sub now_ns {
  my $time = "\0" x 16;
  syscall($SYS_CLOCK_GETTIME, $CLOCK_MONOTONIC_RAW, $time) == 0 or die "clock_gettime: $!";
  my ($seconds, $ns) = unpack 'qq', $time;
  return $seconds * 1_000_000_000 + $ns;
}

sub pause { select undef, undef, undef, $_[0] }

# Each worker reports "name steps errors" on a pipe of its own after each step.
sub worker {
  my ($name, $work) = @_;
  pipe(my $reader, my $writer) or die "pipe: $!";
  my $pid = fork // die "fork: $!";
  if ($pid == 0) {
    close $reader;
    $writer->autoflush(1);
    $SIG{TERM} = sub { $finishing = 1 };
    $work->(sub { print {$writer} "$name @_\n" });
    exit 0;
  }
  close $writer;
  $reader->blocking(0);
  return { name => $name, pid => $pid, reader => $reader, rest => '', steps => 0, errors => 0 };
}

# Every page has its number and the pass that wrote it, all over the page.
sub page { return pack('NN', @_) x 512 }

sub memory_work {
  my ($report) = @_;
  my $pages = $MEMORY_MIB * 256;
  my $memory = '';
  vec($memory, $pages * 4096 - 1, 8) = 0;
  substr($memory, $_ * 4096, 4096) = page($_, 0) for 0 .. $pages - 1;
  my $errors = 0;
  my $pass = 0;
  my $check = sub {
    my ($page, $expected) = @_;
    $errors += 1 if substr($memory, $page * 4096, 4096) ne page($page, $expected);
  };
  for ($pass = 1 ; ; $pass += 1) {
    for my $page (0 .. $pages - 1) {
      $check->($page, $pass - 1);
      substr($memory, $page * 4096, 4096) = page($page, $pass);
      if ($page % 32 == 31) { pause(0.01); $report->($pass, $errors) }
      if ($finishing) {
        $check->($_, $_ <= $page ? $pass : $pass - 1) for 0 .. $pages - 1;
        return $report->($pass, $errors);
      }
    }
  }
}

# Files of 64 KiB with their number and version all over; a file gets its new version by a rename, as
# careful programs do. Versions read back come from the disk, not from the page cache.
sub disk_work {
  my ($folder, $report) = @_;
  my $FILES = 64;
  my @versions = (0) x $FILES;
  my ($writes, $errors) = (0, 0);
  my $content = sub { return pack('NN', @_) x 8192 };
  my $fail = sub { $errors += 1; print "guest: $folder: @_\n" };
  my $write = sub {
    my ($file) = @_;
    my $version = $versions[$file] + 1;
    open my $out, '>', "$folder/new" or return $fail->("open: $!");
    print {$out} $content->($file, $version) or return $fail->("write: $!");
    $out->flush && $out->sync or return $fail->("fsync: $!");
    close $out or return $fail->("close: $!");
    rename "$folder/new", "$folder/$file" or return $fail->("rename: $!");
    $versions[$file] = $version;
    $writes += 1;
  };
  my $verify = sub {
    my ($file) = @_;
    return if $versions[$file] == 0;
    open my $in, '<', "$folder/$file" or return $fail->("open $file: $!");
    syscall($SYS_FADVISE, fileno $in, 0, 0, $DONTNEED);
    my $read = read $in, my $data, 65_537;
    $fail->("file $file differs") if !$read || $data ne $content->($file, $versions[$file]);
  };
  until ($finishing) {
    $write->(int rand $FILES);
    $verify->(int rand $FILES);
    $report->($writes, $errors);
    pause(0.05);
  }
  system 'sync';
  if (open my $caches, '>', '/proc/sys/vm/drop_caches') { print {$caches} "3\n"; close $caches }
  $verify->($_) for 0 .. $FILES - 1;
  system('umount', $folder) == 0 or $fail->('umount');
  $report->($writes, $errors);
}

# The disks are told apart by the labels of their ext4 (its superblock lies at 1024).
sub mount_disks {
  for my $name (map { m{([^/]+)$} } glob '/sys/block/*') {
    open my $device, '<:raw', "/dev/$name" or next;
    next if !seek($device, 1024, 0) || (read($device, my $block, 1024) // 0) < 1024;
    my ($magic, $label) = unpack 'x56 v x62 Z16', $block;
    my $folder = $magic == 0xEF53 && $FILE_SYSTEMS{$label} or next;
    mkdir $folder;
    system('mount', '-t', 'ext4', "/dev/$name", $folder) == 0 or die "mount $name";
    print "guest: $label is $name\n";
  }
  -e "$_/lost+found" or die "nothing is mounted on $_" for values %FILE_SYSTEMS;
}

# The last byte of the card's address is the last byte of the guest's.
sub connect_peer {
  my ($card) = grep { $_ ne 'lo' } map { m{([^/]+)$} } glob '/sys/class/net/*';
  open my $file, '<', "/sys/class/net/$card/address" or die "no network card: $!";
  my $last = hex((split /:|\n/, <$file>)[5]);
  system('ip', 'addr', 'add', "10.77.0.$last/24", 'dev', $card) == 0 or die 'ip addr';
  system('ip', 'link', 'set', $card, 'up') == 0 or die 'ip link';
  my $deadline = time + $CONNECT_S;
  while (time < $deadline) {
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
    if (connect $socket, pack_sockaddr_in($PORT, inet_aton($PEER))) {
      setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
      $socket->autoflush(1);
      print {$socket} "hello $last\n";
      $socket->blocking(0);
      return $socket;
    }
    pause(0.2);
  }
  die "no connection to $PEER:$PORT";
}

sub lines {
  my ($handle, $rest) = @_;
  my $count = sysread $handle, my $data, 65_536;
  return (1) if !defined $count && ($! == EAGAIN || $! == EINTR);
  return (0) if !$count;
  $$rest .= $data;
  my @lines = split /\n/, $$rest, -1;
  $$rest = pop @lines;
  return (1, @lines);
}

sub read_reports {
  for my $worker (grep { $_->{reader} } @_) {
    my ($open, @lines) = lines($worker->{reader}, \$worker->{rest});
    (undef, $worker->{steps}, $worker->{errors}) = split / /, $lines[-1] if @lines;
    $worker->{reader} = undef if !$open;
  }
}

mount_disks();
my $socket = connect_peer();
my @workers = (
  worker('ram', \&memory_work),
  map { my $name = $_; worker($name, sub { disk_work($FILE_SYSTEMS{$name}, @_) }) }
    sort keys %FILE_SYSTEMS,
);
print "guest: works\n";

my ($seq, $echoed, $rest, $unsent, $next) = (0, 0, '', '', now_ns());
$SIG{PIPE} = 'IGNORE';
while (1) {
  read_reports(@workers);
  my ($open, @lines) = lines($socket, \$rest);
  die "the peer has closed the connection\n" if !$open;
  die "a worker has ended\n" if !$finishing && grep { !$_->{reader} } @workers;
  for my $line (@lines) {
    $echoed = $1 if $line =~ /^echo (\d+)/;
    if ($line eq 'finish') { $finishing = 1; kill 'TERM', $_->{pid} for @workers }
    exit 0 if $line eq 'bye';
  }
  my $ended = grep({ $_->{reader} } @workers) ? 0 : 1;
  my $report = join ' ', map { "$_->{name} $_->{steps} $_->{errors}" } @workers;
  if (length $unsent < $UNSENT_MAX) {
    $seq += 1;
    $unsent .= "tick $seq " . now_ns() . " $echoed $ended $report\n";
  }
  my $sent = syswrite $socket, $unsent;
  die "write: $!\n" if !defined $sent && $! != EAGAIN && $! != EINTR;
  substr($unsent, 0, $sent // 0) = '';
  $next += $TICK_NS;
  my $left = $next - now_ns();
  if ($left > 0) { pause($left / 1e9) } else { $next = now_ns() }
}

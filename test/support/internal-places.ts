/** Words between spaces and line ends. */
function written(text: string): readonly string[] {
  return text.split(/[ \n]+/).filter((word) => word !== "");
}

/** Ways to write a host that is nobody's to name, by what the writer hopes for. */
export const INTERNAL_HOSTS: Readonly<Record<string, readonly string[]>> = {
  "this machine": written(`
    127.0.0.1 127.0.0.2 127.0.1.1 127.1.1.1 127.127.127.127 127.255.255.254 localhost LOCALHOST
    LocalHost localhost. a.localhost a.b.localhost. localhost.localdomain ip6-localhost
    ip6-loopback host.docker.internal gateway.docker.internal 127.0.0.1. 0.0.0.0 0.0.0.1
    0.255.255.255
  `),
  "short forms": written(`
    127.1 127.0.1 0 0.0 10.1 192.168.1 172.16.1 169.254.1 1.
  `),
  decimal: written(`
    2130706433 2130706434 3232235777 167772161 2886729729 2852039166 00
  `),
  octal: written(`
    017700000001 0177.0.0.1 0177.0.0.01 0177.0000.0000.0001 00177.1 0300.0250.1.1 012.0.0.1
    0254.020.0.1 0251.0376.0251.0376 025177524776
  `),
  hexadecimal: written(`
    0x7f000001 0x7F000001 0x7f.0.0.1 0x7f.0x0.0x0.0x1 0x7f.1 0xa9fea9fe 0xa9.0xfe.0xa9.0xfe
    0x0a000001 0xc0a80101 0xac100001 0x0 0X7F.1
  `),
  mixed: written(`
    127.0x0.0.1 0177.0x0.0.1 0x7f.0.1 127.0.0x1 169.0376.169.254 0xa9.254.43518 192.0250.257
    10.0x000001 0xac.16.1 127.0.00.1
  `),
  "private networks": written(`
    10.0.0.0 10.0.0.1 10.1.2.3 10.11.12.13 10.128.0.1 10.200.200.200 10.255.255.255 172.16.0.1
    172.16.255.1 172.24.0.7 172.31.255.255 192.168.0.0 192.168.0.1 192.168.122.1 192.168.255.255
    172.20.10.1 10.96.0.1 10.43.0.1 192.168.49.2 172.17.0.1
  `),
  "a provider's": written(`
    100.64.0.1 100.127.255.255 100.100.100.200 192.0.0.1 192.0.0.192
  `),
  link: written(`
    169.254.0.1 169.254.255.254 169.254.170.2 169.254.169.253
  `),
  metadata: written(`
    169.254.169.254 metadata.google.internal metadata.google.internal. metadata instance-data
    168.63.129.16 METADATA.GOOGLE.INTERNAL [fd00:ec2::254] [fd20:ce::254]
    [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] ①⑥⑨.②⑤④.①⑥⑨.②⑤④
  `),
  "many receivers, none, examples": written(`
    224.0.0.1 239.255.255.250 232.0.0.1 240.0.0.1 255.255.255.255 192.0.2.1 198.18.0.1
    198.19.255.255 198.51.100.7 203.0.113.9 192.88.99.1
  `),
  "IPv6, own": written(`
    [::1] [::] [0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::0001] [0::1] [::0]
    [fe80::1] [febf::1] [fe80::1%25eth0] [fe80::1%eth0] [fc00::1] [fd12:3456::1] [fdff::1]
    [fec0::1] [ff02::1] [ff05::2] [100::1] [2001:db8::1] [3fff::1] [5f00::1] [4000::1] [e000::1]
  `),
  "IPv4 in IPv6": written(`
    [::ffff:127.0.0.1] [::ffff:7f00:1] [::FFFF:7F00:0001] [0:0:0:0:0:ffff:127.0.0.1]
    [::ffff:10.0.0.1] [::ffff:192.168.1.1] [::ffff:172.16.0.1] [::ffff:0:127.0.0.1]
    [::127.0.0.1] [::7f00:1] [::10.0.0.1] [::ffff:0.0.0.0] [::ffff:100.64.0.1]
    [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::169.254.169.254] [64:ff9b::10.0.0.1]
    [64:ff9b:1::127.0.0.1] [64:ff9b:1::1] [2002:7f00:1::] [2002:7f00:0001::1] [2002:a9fe:a9fe::]
    [2002:c0a8:0101::1] [2002:0a00:0001::] [2001:0:7f00:1::] [2001::1]
    [2001:0:4136:e378:8000:63bf:3fff:fdd2] [2600::5efe:10.0.0.1] [2600::200:5efe:127.0.0.1]
    [2600::5efe:a9fe:a9fe]
  `),
  "letters that are digits": written(`
    ①②⑦.⓪.⓪.① １２７.０.０.１ １２７。０。０。１ 127。0。0。1 127．0．0．1 127｡0｡0｡1 ⓛⓞⓒⓐⓛⓗⓞⓢⓣ ｌｏｃａｌｈｏｓｔ ℓocalhost
    loc\u00adalhost local\u200bhost 𝟙𝟚𝟟.𝟘.𝟘.𝟙 ⑯⑨.②⑤④.⑯⑨.②⑤④ 𝟏𝟔𝟗.254.169.254 0ｘ7f.1 ⒈⒈⒈⒈
  `),
  "percent signs": written(`
    %31%32%37.0.0.1 127%2e0%2e0%2e1 %6c%6f%63%61%6c%68%6f%73%74 loc%61lhost %30
    %31%36%39.254.169.254 127.0.0.%31 %E2%91%A0%E2%91%A1%E2%91%A6.0.0.1
  `),
};

/** Names that a stranger's name server answers with an address inside. */
export const NAMES_THAT_LEAD_INSIDE: Readonly<Record<string, string>> = {
  "127.0.0.1.nip.example": "127.0.0.1",
  "rebind.example": "127.0.0.1",
  "six.example": "::1",
  "mapped.example": "::ffff:127.0.0.1",
  "cloud.example": "169.254.169.254",
  "lan.example": "10.0.0.1",
  "xn--lclhst-eua.example": "127.0.0.1",
  "nat64.example": "64:ff9b::7f00:1",
};

/** Whole addresses; `HOST` and `PORT` are those of a listener inside. */
export const ODD_ADDRESSES: readonly string[] = [
  "http://HOST:PORT/",
  "HTTP://HOST:PORT/",
  "http:HOST:PORT",
  "http:/HOST:PORT/",
  "http:///HOST:PORT/",
  "http:\\\\HOST:PORT\\",
  "http:/\\HOST:PORT/",
  "\\\\HOST:PORT\\",
  "//HOST:PORT/",
  "///HOST:PORT/",
  "http://user@HOST:PORT/",
  "http://user:pass@HOST:PORT/",
  "http://public.example@HOST:PORT/",
  "http://public.example:80@HOST:PORT/",
  "http://public.example%40HOST:PORT/",
  "http://@HOST:PORT/",
  "http://HOST:PORT#@public.example/",
  "http://HOST:PORT?@public.example/",
  "http://HOST:PORT\\@public.example/",
  "http://public.example\\@HOST:PORT/",
  "http://a:b@c:d@HOST:PORT/",
  "\thttp://HOST:PORT/",
  " http://HOST:PORT/ ",
  "h\nttp://HO\tST:PORT/",
  "http://HOST:PORT/\r\nX: 1",
  "http://HOST:PORT/%0d%0aX:1",
  "http://HOST:0PORT/",
  "https://HOST:PORT/",
  "ftp://HOST:PORT/",
  "gopher://HOST:PORT/_x",
  "file:///etc/passwd",
  "file://HOST/etc/passwd",
  "dict://HOST:PORT/",
  "ldap://HOST:PORT/",
  "tftp://HOST:PORT/",
  "ws://HOST:PORT/",
  "git://HOST:PORT/x.git",
  "ssh://HOST:PORT/x.git",
  "ssh://-oProxyCommand=touch%20/tmp/x/x",
  "git@HOST:x.git",
  "-oProxyCommand=touch x",
  "ext::sh -c touch% /tmp/x",
  "EXT::sh -c touch",
  "fd::17",
  "data:text/plain,x",
  "javascript:alert(1)",
  "about:blank",
  "blob:http://HOST:PORT/x",
  "view-source:http://HOST:PORT/",
  "jar:http://HOST:PORT/!/x",
  "unix:/var/run/docker.sock",
  "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
  "--upload-pack=touch",
  "http::http://HOST:PORT/",
  "transport::x",
];

export const PUBLIC_HOSTS: readonly string[] = [
  "93.184.216.34",
  "1.1.1.1",
  "8.8.8.8",
  "11.0.0.1",
  "100.63.255.255",
  "100.128.0.1",
  "126.255.255.255",
  "128.0.0.1",
  "169.253.255.255",
  "172.15.255.255",
  "172.32.0.1",
  "192.167.0.1",
  "198.17.0.1",
  "223.255.255.255",
  "[2606:4700::1111]",
  "[2a00:1450::1]",
  "[64:ff9b::1.1.1.1]",
  "[2002:0101:0101::1]",
  "[::ffff:8.8.8.8]",
];

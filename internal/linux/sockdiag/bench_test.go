package sockdiag

import "testing"

func BenchmarkEachInet(b *testing.B) {
	tcpPair(b, "tcp", "127.0.0.1:0")
	conn := openIn(b, "")
	for b.Loop() {
		if err := conn.EachInet(FamilyIPv4, ProtocolTCP, func(Inet) {}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTCPBytes(b *testing.B) {
	tcpPair(b, "tcp", "127.0.0.1:0")
	conn := openIn(b, "")
	var one Inet
	_ = conn.EachInet(FamilyIPv4, ProtocolTCP, func(s Inet) {
		if s.State == Established {
			one = s
		}
	})
	for b.Loop() {
		if _, _, err := conn.TCPBytes(one); err != nil {
			b.Fatal(err)
		}
	}
}

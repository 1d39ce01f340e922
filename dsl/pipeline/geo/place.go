// Package geo says where IP addresses are, by a database of MaxMind's format and a list of networks by provider.
package geo

// Place is where an address is. What is not known is "unknown".
type Place struct{ Country, Province, City, ISP string }

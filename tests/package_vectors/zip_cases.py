# Crafts the hostile archives of docs/format.md, threat 11, into the folder that is named. Every one of them must come out MALFORMED-ARCHIVE.
import zipfile,io,struct,sys,warnings
out=sys.argv[1]
def mk(entries):
    b=io.BytesIO(); z=zipfile.ZipFile(b,'w',zipfile.ZIP_STORED)
    for n,d in entries:
        zi=zipfile.ZipInfo(n,(1980,1,1,0,0,0)); z.writestr(zi,d)
    z.close(); return b.getvalue()
warnings.simplefilter('ignore')
w=lambda n,d: open(out+'/'+n,'wb').write(d)
base=[('manifest.json',b'GOOD-man'),('a.txt',b'GOOD-a')]
g=mk(base); w('00-good.zip',g)
w('01-dup-name.zip',mk(base+[('a.txt',b'EVIL-a')]))
w('02-traversal.zip',mk(base+[('../../evil',b'x'),('/abs',b'y'),('c:\\w',b'z')]))
# local header name differs from central
i=g.index(b'a.txt'); w('03-local-name-differs.zip',g[:i]+b'b.txt'+g[i+5:])
# central says offset of other entry -> points at manifest
w('04-trailing.zip',g+b'TRAILING-GARBAGE')
w('05-prefix.zip',b'#!/bin/sh\necho pwn\n'+g)
w('06-comment.zip',g[:-2]+struct.pack('<H',7)+b'comment')
# two archives concatenated (second wins for EOCD scanners)
w('07-concat.zip',g+mk([('a.txt',b'EVIL-a')]))
# hidden local entry not in central directory
h=mk(base+[('hidden.txt',b'HIDDEN')])
# drop last central record
cd=h.index(b'PK\x01\x02'); recs=[]; p=cd
while h[p:p+4]==b'PK\x01\x02':
    nl,el,cl=struct.unpack('<HHH',h[p+28:p+34]); L=46+nl+el+cl; recs.append(h[p:p+L]); p+=L
e=bytearray(h[p:]); new=b''.join(recs[:2]); struct.pack_into('<HHI',e,8,2,2,len(new)); w('08-hidden-local.zip',h[:cd]+new+bytes(e))
# crc mismatch
j=g.index(b'GOOD-a'); w('09-crc-mismatch.zip',g[:j]+b'EVIL-a'+g[j+6:])
# bomb: 200 MB zeros deflated
b=io.BytesIO(); z=zipfile.ZipFile(b,'w',zipfile.ZIP_DEFLATED); z.writestr('a.txt',b'\0'*200_000_000); z.close(); w('10-bomb.zip',b.getvalue())
# central directory size lies (uncompressed size small)
x=bytearray(mk(base)); c=x.index(b'PK\x01\x02',x.index(b'PK\x01\x02')+1); struct.pack_into('<I',x,c+24,2); w('11-central-size-lies.zip',bytes(x))
# case-fold and unicode-normalisation collisions
w('12-case-nfc.zip',mk(base+[('A.TXT',b'EVIL'),('caf\u00e9.txt',b'1'),('cafe\u0301.txt',b'2')]))
# overlapping entries: two central records, same local offset
r1=bytearray(recs[1]); g2=mk(base); cd2=g2.index(b'PK\x01\x02'); p=cd2; rr=[]
while g2[p:p+4]==b'PK\x01\x02':
    nl,el,cl=struct.unpack('<HHH',g2[p+28:p+34]); L=46+nl+el+cl; rr.append(bytearray(g2[p:p+L])); p+=L
dup=bytearray(rr[1]); k=dup.index(b'a.txt'); dup[k:k+5]=b'z.txt'; new=bytes(rr[0])+bytes(rr[1])+bytes(dup); e=bytearray(g2[p:]); struct.pack_into('<HHI',e,8,3,3,len(new)); w('13-overlap.zip',g2[:cd2]+new+bytes(e))
# symlink entry
b=io.BytesIO(); z=zipfile.ZipFile(b,'w'); zi=zipfile.ZipInfo('link'); zi.external_attr=0o120777<<16; zi.create_system=3; z.writestr(zi,'/etc/passwd'); z.close(); w('14-symlink.zip',b.getvalue())
